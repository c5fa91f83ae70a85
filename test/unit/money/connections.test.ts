import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type ConnectionGroup, Connections } from '#money/connections.ts'
import { until } from '../../support/redis.ts'

let server: Server
let made: Connections[]

beforeEach(async () => {
  made = []
  server = createServer((_request, response) => void response.end())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  await Promise.all(made.map(connections => connections.destroy()))
  server.close()
})

test('are used group by group, the first that has one free', () => {
  const connections = connectionsOf(130)
  const [first, ...others] = takeMany(connections, 64)
  const second = connections.take()
  takeMany(connections, 63)
  const third = connections.take()

  expect(new Set([first, ...others]).size).toBe(1)
  expect([first, second, third].map(group => group?.size)).toEqual([64, 64, 2])
  first!.underWay -= 1
  expect(connections.take()).toBe(first)
})

test('with none free, the next waits where the fewest do for each connection', () => {
  const connections = connectionsOf(96)
  const [large, small] = [takeMany(connections, 64)[0], takeMany(connections, 32)[0]]

  expect(small?.size).toBe(32)
  const waiting = takeMany(connections, 6)
  expect([large, small].map(group => waiting.filter(each => each === group).length)).toEqual([4, 2])
})

test('there are as many as were asked for, and all are closed', async () => {
  const connections = connectionsOf(70)
  const underWay: (() => void)[] = []
  server.removeAllListeners('request')
  server.on('request', (_request, response) => underWay.push(() => response.end()))
  const sent = takeMany(connections, 100).map(async ({ pool }) =>
    (await pool.request({ path: '/', method: 'GET' })).body.dump(),
  )
  await until('70 are under way', () => underWay.length === 70)
  await new Promise(resolve => setTimeout(resolve, 50))
  const most = await count()
  server.removeAllListeners('request')
  server.on('request', (_request, response) => void response.end())
  for (const end of underWay) end()
  await Promise.all(sent)

  expect(most).toBe(70)
  expect(underWay).toHaveLength(70)
  await connections.destroy()
  await until('none is open', async () => (await count()) === 0)
})

function connectionsOf(count: number): Connections {
  const connections = new Connections(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, count, {})
  made.push(connections)
  return connections
}

function takeMany(connections: Connections, count: number): ConnectionGroup[] {
  return Array.from({ length: count }, () => connections.take())
}

function count(): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, found) => (error === null ? resolve(found) : reject(error))),
  )
}
