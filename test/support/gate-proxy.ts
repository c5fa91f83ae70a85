import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface GateProxy {
  port: number
  /** Ends all connections and accepts none that lasts. */
  close(): void
  open(): void
  /** From now on a connection on which a client says this is silent, as if its host had gone; others work. */
  swallow(marker: RegExp | undefined): void
  stop(): Promise<void>
}

/** Stands between clients and a server on loopback, as a network that fails in parts. */
export async function startGateProxy(target: { port: number }): Promise<GateProxy> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let isOpen = true
  let swallowed: RegExp | undefined
  const silent = new WeakSet<Socket>()
  const server = createServer(client => {
    if (!isOpen) {
      client.destroy()
      return
    }
    const upstream = connect(target.port, '127.0.0.1')
    const pair = [client, upstream] as const
    pairs.add(pair)
    for (const socket of pair) {
      const end = () => {
        pairs.delete(pair)
        for (const each of pair) each.destroy()
      }
      socket.on('error', end)
      socket.on('close', end)
    }
    let said = ''
    client.on('data', data => {
      said = (said + data.toString('latin1')).slice(-4096)
      if (swallowed?.test(said)) silent.add(client)
      if (!silent.has(client)) upstream.write(data)
    })
    upstream.on('data', data => {
      if (!silent.has(client)) client.write(data)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endAll = () => {
    for (const pair of pairs) for (const socket of pair) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      isOpen = false
      endAll()
    },
    open: () => {
      isOpen = true
    },
    swallow: marker => {
      swallowed = marker
      if (marker !== undefined) endAll()
    },
    stop: async () => {
      endAll()
      server.close()
      await once(server, 'close')
    },
  }
}
