import { createServer } from 'node:net'
import { afterEach, expect, test } from '@jest/globals'
import { clientOf } from '#stream/connection.ts'
import { connectionOf } from '#stream/connection-like.ts'
import { createStreamConnection, type RedisAddress } from '#stream/index.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

function optionsOf(address: RedisAddress | string) {
  const { connection, isOwn } = connectionOf(address)
  closers.push(() => connection.close())
  expect(isOwn).toBe(true)
  const { host, port, username, password, db } = clientOf(connection).options as Record<string, unknown>
  return { host, port, username, password, db }
}

test('an address says user, password and database, whatever characters they have', () => {
  expect(optionsOf({ host: 'h', port: 7, username: 'a:b', password: 'c/@ d', db: 3 })).toEqual({
    host: 'h',
    port: 7,
    username: 'a:b',
    password: 'c/@ d',
    db: 3,
  })
  expect(optionsOf({ port: 7, password: 'x' })).toMatchObject({ host: '127.0.0.1', port: 7, password: 'x', db: 0 })
  expect(optionsOf({ host: '::1' })).toMatchObject({ host: '::1', port: 6379 })
  expect(optionsOf('redis://h:9/2')).toMatchObject({ host: 'h', port: 9, db: 2 })
})

test('a connection that is shared is not made here', async () => {
  const shared = createStreamConnection({ url: 'redis://127.0.0.1:1' })
  closers.push(() => shared.close())
  expect(connectionOf(shared)).toEqual({ connection: shared, isOwn: false })
})

test.each([
  ['with tls it speaks TLS', { tls: {} }, 0x16],
  ['without, Redis', {}, '*'.charCodeAt(0)],
])('%s', async (_, how, first) => {
  const heard = Promise.withResolvers<number>()
  const server = createServer(socket => {
    socket.once('data', data => {
      heard.resolve(data[0] as number)
      socket.destroy()
    })
    socket.on('error', () => undefined)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const { connection } = connectionOf({ port, ...how })
  closers.push(
    () => connection.close(),
    () => server.close(),
  )
  connection.ready().catch(() => undefined)
  expect(await heard.promise).toBe(first)
})

test('beside one server there is none that might work', async () => {
  const connection = createStreamConnection({ url: 'redis://127.0.0.1:1' })
  closers.push(() => connection.close())
  expect(await connection.isServedBeside('s')).toBe(false)
})
