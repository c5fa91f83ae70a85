import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { LocalStackError } from './errors.ts'

/** Below what systems hand out to outgoing connections: a stopped server's port is still free when it comes back. */
const LOWEST = 15_000
const HIGHEST = 32_000
const ATTEMPTS = 200

const given = new Set<number>()

/** A loopback port that nobody listens on now, and that this process was not given before. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(LOWEST, HIGHEST)
    if (!given.has(port) && (await canListen(port))) {
      given.add(port)
      return port
    }
  }
  throw new LocalStackError('START_FAILED', `no free port found on 127.0.0.1 between ${LOWEST} and ${HIGHEST}`)
}

function canListen(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
