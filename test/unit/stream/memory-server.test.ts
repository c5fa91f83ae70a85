import { expect, jest, test } from '@jest/globals'
import { AskedServer } from '#test/support/asked-server.ts'

test('a command that it does not know is refused, and not counted', () => {
  const redis = new AskedServer()
  expect(redis.ask('XFORGET s')).toBe("ERR unknown command 'XFORGET'")
  expect(redis.server.callsOf('XFORGET')).toBe(0)
})

test('a server before 8.2 does not acknowledge and delete in one command, and says so', () => {
  const [old, recent] = [new AskedServer({ hasAckDel: false }), new AskedServer()]
  expect(old.askAll('COMMAND INFO xackdel', 'xackdel s g KEEPREF IDS 1 1-0')).toEqual([
    [null],
    "ERR unknown command 'xackdel'",
  ])
  expect(recent.askAll('COMMAND INFO xackdel', 'xackdel s g KEEPREF IDS 1 1-0')).toEqual([[['xackdel']], [-1]])
  expect(old.ask('XLEN s')).toBe(0)
})

test('commands are counted in upper and lower case, those of scripts not', () => {
  const redis = new AskedServer()
  redis.askAll('XLEN s', 'xlen s', 'GET k', 'streamAddBulk s 0 2 n 1')
  expect(['xlen', 'XLEN', 'get', 'xadd', 'streamAddBulk'].map(name => redis.server.callsOf(name))).toEqual([
    2, 2, 1, 0, 1,
  ])
})

test('its policy of eviction is what INFO says', () => {
  const redis = new AskedServer()
  redis.server.evictionPolicy = 'allkeys-lru'
  expect(redis.ask('INFO memory')).toBe('maxmemory_policy:allkeys-lru')
})

test('a cut is heard by every connection that listens still', () => {
  const { server } = new AskedServer()
  const [left, right] = [jest.fn(), jest.fn()]
  // One that stops listening because of the cut does not keep the next one from hearing it.
  const forget = server.onCut(() => {
    left()
    forget()
  })
  server.onCut(right)
  server.cutConnections()
  server.cutConnections()
  expect([left.mock.calls.length, right.mock.calls.length]).toEqual([1, 2])
})
