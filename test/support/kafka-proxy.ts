import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export const OFFSET_COMMIT = 8

export interface KafkaProxy {
  broker: string
  /** The next requests of this API are cut: the connection ends before the broker has them. Resolves after the last. */
  cut(apiKey: number, times: number): Promise<void>
  /** While it is on, no zstd frame in an answer can be decoded. */
  spoilZstd(isOn: boolean): void
  stop(): Promise<void>
}

const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])

/** Every message of Kafka's protocol begins with its length, 4 bytes. */
function frames(onFrame: (frame: Buffer) => void): (data: Buffer) => void {
  let rest = Buffer.alloc(0)
  return data => {
    rest = Buffer.concat([rest, data])
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0)
      onFrame(rest.subarray(0, end))
      rest = rest.subarray(end)
    }
  }
}

/** How a broker names itself in metadata: its host as a string with its length, then its port. */
function addressBytes(host: string, port: number): Buffer {
  const bytes = Buffer.alloc(2 + host.length + 4)
  bytes.writeInt16BE(host.length, 0)
  bytes.write(host, 2, 'latin1')
  bytes.writeInt32BE(port, 2 + host.length)
  return bytes
}

function overwrite(frame: Buffer, old: Buffer, fresh: Buffer): void {
  for (let at = frame.indexOf(old); at !== -1; at = frame.indexOf(old, at + 1)) fresh.copy(frame, at)
}

/** Stands before the one broker of the stack, which is made to name the proxy in its answers. */
export async function startKafkaProxy(target: string): Promise<KafkaProxy> {
  const [host = '', portText = ''] = target.split(':')
  const targetPort = Number(portText)
  const sockets = new Set<Socket>()
  let isSpoiling = false
  let cutting: { apiKey: number; left: number; done: PromiseWithResolvers<void> } | undefined
  const server = createServer(client => {
    const upstream = connect(targetPort, host)
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
    const { port } = server.address() as AddressInfo
    const [theirs, ours] = [addressBytes(host, targetPort), addressBytes(host, port)]
    client.on(
      'data',
      frames(frame => {
        if (cutting === undefined || frame.readInt16BE(4) !== cutting.apiKey) return void upstream.write(frame)
        cutting.left -= 1
        if (cutting.left === 0) {
          cutting.done.resolve()
          cutting = undefined
        }
        end()
      }),
    )
    upstream.on(
      'data',
      frames(frame => {
        overwrite(frame, theirs, ours)
        if (isSpoiling) overwrite(frame, ZSTD_MAGIC, Buffer.alloc(ZSTD_MAGIC.length))
        client.write(frame)
      }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    broker: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: (apiKey, times) => {
      cutting = { apiKey, left: times, done: Promise.withResolvers() }
      return cutting.done.promise
    },
    spoilZstd: isOn => {
      isSpoiling = isOn
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
