import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface LossyProxy {
  url: string
  /** From then on, once: a reply that matches `marker`, or the reply to a request that does, is lost, its connection too. */
  loseReply(side: 'request' | 'reply', marker: RegExp): Promise<void>
  stop(): Promise<void>
}

interface Loss {
  side: 'request' | 'reply'
  marker: RegExp
  happened: PromiseWithResolvers<void>
}

/** Stands between a client and a Redis on loopback, and can lose one reply: the server has done it, nobody hears of it. */
export async function startLossyProxy(targetUrl: string): Promise<LossyProxy> {
  const { hostname, port } = new URL(targetUrl)
  const sockets = new Set<Socket>()
  let loss: Loss | undefined
  const server = createServer(client => {
    const upstream = connect(Number(port), hostname)
    let isDoomed = false
    const end = () => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', end)
      socket.on('close', () => {
        sockets.delete(socket)
        end()
      })
    }
    client.on('data', data => {
      if (loss?.side === 'request' && loss.marker.test(data.toString('latin1'))) isDoomed = true
      upstream.write(data)
    })
    upstream.on('data', data => {
      if (loss === undefined || !(isDoomed || (loss.side === 'reply' && loss.marker.test(data.toString('latin1'))))) {
        client.write(data)
        return
      }
      loss.happened.resolve()
      loss = undefined
      end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    loseReply: (side, marker) => {
      loss = { side, marker, happened: Promise.withResolvers() }
      return loss.happened.promise
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
