import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { moneyServer } from '#local/money-api/money-server.ts'
import { freePort } from '#local/servers/free-port.ts'
import { kafkaServer } from '#local/servers/kafka.ts'
import type { LocalContext, LocalServer } from '#local/servers/local-server.ts'
import { postgresServer } from '#local/servers/postgres.ts'
import { Progress } from '#local/servers/progress.ts'
import { redisServer } from '#local/servers/redis.ts'
import { createWorkspace } from '#local/servers/workspace.ts'
import { kafkaHere } from './requirements.ts'

let squatter: Server
let taken: number
beforeAll(async () => {
  squatter = createServer().listen(0, '127.0.0.1')
  await once(squatter, 'listening')
  taken = (squatter.address() as AddressInfo).port
})
afterAll(() => void squatter.close())

const SERVERS: [string, (context: LocalContext) => LocalServer][] = [
  ['PostgreSQL', postgresServer],
  ['Redis', redisServer],
  ['Money API simulator', moneyServer],
  ...(kafkaHere() ? [['Apache Kafka', kafkaServer] as [string, typeof kafkaServer]] : []),
]

test.each(SERVERS)('%s takes another port when somebody was faster', async (_name, create) => {
  const folder = createWorkspace(process.env)
  let picked = 0
  const pickPort = async () => (picked++ === 0 ? taken : freePort())
  const server = create({ env: process.env, folder, keep: false, progress: new Progress(() => undefined), pickPort })
  try {
    const [url] = Object.values(await server.start())
    expect(url).not.toContain(`:${taken}`)
    expect(picked).toBeGreaterThan(1)
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a port is not given twice', async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, freePort))
  expect(new Set(ports).size).toBe(50)
})
