import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'

/** What may happen to connections on their way. */
export interface Disturbances {
  /** From then on, once: a reply that matches `marker`, or the reply to a request that does, is lost, its connection too. */
  loseReply(side: 'request' | 'reply', marker: RegExp): Promise<void>
  /** Sockets that are open now carry nothing any more, in neither direction, and are not closed: no FIN, no RST. */
  silence(): void
  /** Hangs up on the client's side of sockets that are open now, and goes on reading what it sends: a half-closed socket. */
  halfClose(): void
  /** Where new connections lead from now on; the name in a URL that leads to another server after a failover. */
  leadTo(targetUrl: string): void
  /** How many connections were accepted. */
  readonly accepted: number
  stop(): Promise<void>
}

export interface LossyProxy extends Disturbances {
  url: string
  /** As `silence`, of the connections only whose client said this last. Tells how many. */
  silenceOf(marker: RegExp): number
  /** A loss that was ordered and has not happened is not wanted any more. */
  forgetLoss(): void
}

interface Loss {
  side: 'request' | 'reply'
  marker: RegExp
  happened: PromiseWithResolvers<void>
}

/**
 * Stands between clients and a Redis on loopback, and can lose one reply: the server has done it, nobody hears of it. With
 * `tls` it ends the clients' TLS itself, so that it sees what they say.
 */
export async function startLossyProxy(targetUrl: string, tls?: { key: string; cert: string }): Promise<LossyProxy> {
  let target = new URL(targetUrl)
  let accepted = 0
  const silent = new WeakSet<Socket>()
  const clients = new Set<Socket>()
  const sockets = new Set<Socket>()
  const lastSaid = new WeakMap<Socket, string>()
  let loss: Loss | undefined
  const accept = (client: Socket) => {
    accepted += 1
    clients.add(client)
    const upstream = connect(Number(target.port), target.hostname)
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
        clients.delete(client)
        if (!silent.has(client)) end()
      })
    }
    client.on('end', end)
    client.on('data', data => {
      lastSaid.set(client, data.toString('latin1'))
      if (silent.has(client)) return
      if (loss?.side === 'request' && loss.marker.test(data.toString('latin1'))) isDoomed = true
      upstream.write(data)
    })
    upstream.on('data', data => {
      if (silent.has(client) || client.writableEnded) return
      if (loss === undefined || !(isDoomed || (loss.side === 'reply' && loss.marker.test(data.toString('latin1'))))) {
        client.write(data)
        return
      }
      loss.happened.resolve()
      loss = undefined
      end()
    })
  }
  const options = { allowHalfOpen: true }
  const server = tls === undefined ? createServer(options, accept) : createTlsServer({ ...options, ...tls }, accept)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    loseReply: (side, marker) => {
      loss = { side, marker, happened: Promise.withResolvers() }
      return loss.happened.promise
    },
    forgetLoss: () => {
      loss = undefined
    },
    silence: () => {
      for (const client of clients) silent.add(client)
    },
    silenceOf: marker => {
      const matching = [...clients].filter(client => marker.test(lastSaid.get(client) ?? ''))
      for (const client of matching) silent.add(client)
      return matching.length
    },
    halfClose: () => {
      for (const client of clients) client.end()
    },
    leadTo: url => {
      target = new URL(url)
    },
    get accepted() {
      return accepted
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Proxies before the nodes of a cluster, as one: the reply is lost by whichever sees it. */
export function asOne(proxies: readonly LossyProxy[]): Disturbances {
  return {
    loseReply: async (side, marker) => {
      await Promise.race(proxies.map(proxy => proxy.loseReply(side, marker)))
      for (const proxy of proxies) proxy.forgetLoss()
    },
    silence: () => {
      for (const proxy of proxies) proxy.silence()
    },
    halfClose: () => {
      for (const proxy of proxies) proxy.halfClose()
    },
    leadTo: () => {
      throw new Error('a node of a cluster tells by itself where it is')
    },
    get accepted() {
      return proxies.reduce((sum, proxy) => sum + proxy.accepted, 0)
    },
    stop: async () => void (await Promise.all(proxies.map(proxy => proxy.stop()))),
  }
}
