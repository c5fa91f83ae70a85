import { beforeEach, describe, expect, test } from '@jest/globals'
import { AskedServer } from '#test/support/asked-server.ts'

const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value'
const FULL = "OOM command not allowed when used memory > 'maxmemory'."

let redis: AskedServer
beforeEach(() => {
  redis = new AskedServer()
})

describe('texts', () => {
  test('are set, read, counted and deleted', () => {
    expect(redis.askAll('PING', 'GET k', 'SET k v', 'GET k')).toEqual(['PONG', null, 'OK', 'v'])
    expect(redis.askAll('SET l w', 'MGET k none l', 'EXISTS k none k')).toEqual(['OK', ['v', null, 'w'], 2])
    expect(redis.askAll('DEL k none', 'UNLINK l k', 'GET k', 'EXISTS k l')).toEqual([1, 1, null, 0])
  })

  test('those that are new only are left alone by SET … NX', () => {
    expect(redis.askAll('SET k 1 NX', 'SET k 2 nx', 'GET k', 'SET k 3', 'GET k')).toEqual(['OK', null, '1', 'OK', '3'])
    expect(redis.ask('SET k 1 SOON')).toBe('ERR syntax error')
  })

  test('live as many seconds or milliseconds as they are given, and for ever without', () => {
    redis.askAll('SET a 1 EX 2', 'SET b 1 px 2000 NX', 'SET c 1')
    expect(redis.askAll('PTTL a', 'PTTL b', 'PTTL c', 'PTTL d')).toEqual([2000, 2000, -1, -2])
    redis.nowMs += 2000
    expect(redis.askAll('PTTL a', 'PTTL b', 'MGET a b c')).toEqual([0, 0, ['1', '1', '1']])
    redis.nowMs += 1
    expect(redis.askAll('PTTL a', 'MGET a b c', 'EXISTS a b c', 'DEL a')).toEqual([-2, [null, null, '1'], 1, 0])
  })

  test('one whose time was over does not come back when the clock is set back', () => {
    redis.ask('SET k 1 PX 10')
    redis.nowMs += 11
    expect(redis.ask('GET k')).toBeNull()
    redis.nowMs -= 11
    expect(redis.ask('GET k')).toBeNull()
  })

  test('a time to live is given later too, and goes with a new value', () => {
    redis.ask('SET k 1')
    expect(redis.askAll('EXPIRE k 3', 'EXPIRE none 3', 'PTTL k')).toEqual([1, 0, 3000])
    expect(redis.askAll('SET k 2', 'PTTL k')).toEqual(['OK', -1])
  })

  test('INCRBY counts on, from nothing or from a number, and leaves the time to live', () => {
    expect(redis.askAll('INCRBY k 2', 'INCRBY k -5', 'GET k', 'PTTL k')).toEqual([2, -3, '-3', -1])
    expect(redis.askAll('EXPIRE k 1', 'INCRBY k 1', 'PTTL k')).toEqual([1, -2, 1000])
    const notANumber = 'ERR value is not an integer or out of range'
    expect(redis.askAll('SET k x', 'INCRBY k 1', 'INCRBY l 1.5', 'EXISTS l')).toEqual(['OK', notANumber, notANumber, 0])
  })
})

describe('a key of the other kind', () => {
  test('a stream is no text', () => {
    redis.fill('s', 1)
    expect(redis.askAll('GET s', 'INCRBY s 1', 'MGET s', 'XLEN s')).toEqual([WRONG_TYPE, WRONG_TYPE, [null], 1])
    expect(redis.askAll('SET s x', 'GET s')).toEqual(['OK', 'x'])
  })

  test('a text is no stream', () => {
    redis.ask('SET k v')
    expect(redis.askAll('XADD k * n 1', 'XLEN k', 'XGROUP CREATE k g 0 MKSTREAM')).toEqual(Array(3).fill(WRONG_TYPE))
    expect(redis.ask('GET k')).toBe('v')
  })

  test('a stream has a time to live as well', () => {
    redis.fill('s', 1)
    expect(redis.askAll('PTTL s', 'EXPIRE s 1', 'PTTL s')).toEqual([-1, 1, 1000])
    redis.nowMs += 1001
    expect(redis.askAll('XLEN s', 'XADD s 1-0 n 1', 'PTTL s')).toEqual([0, '1-0', -1])
  })
})

describe('a full server', () => {
  beforeEach(() => {
    redis.fill('s', 1)
    redis.askAll('XGROUP CREATE s g 0', 'SET k 1')
    redis.server.keys.isFull = true
  })

  test.each(['SET k 2', 'INCRBY k 1', 'XADD s * n 1', 'XGROUP CREATE s h 0'])(
    'refuses what could make it grow: %s',
    line => {
      expect(redis.ask(line)).toBe(FULL)
      expect(redis.askAll('GET k', 'XLEN s')).toEqual(['1', 1])
    },
  )

  test('reads, hands out and deletes as ever', () => {
    expect(redis.ask('XREADGROUP GROUP g a STREAMS s >')).toEqual([['s', [['1-0', ['n', '1']]]]])
    expect(redis.askAll('XACK s g 1-0', 'XDEL s 1-0', 'DEL k')).toEqual([1, 1, 1])
  })
})

describe('a snapshot', () => {
  test('brings everything back as it was, however often, whatever was changed since', () => {
    redis.fill('s', 2)
    redis.askAll('XGROUP CREATE s g 0', 'XREADGROUP GROUP g a COUNT 1 STREAMS s >', 'SET k 1 PX 5000')
    const snapshot = redis.server.keys.snapshot()
    for (let round = 0; round < 2; round++) {
      redis.askAll('XREADGROUP GROUP g b STREAMS s >', 'XCLAIM s g b 0 1-0', 'XDEL s 1-0', 'XADD s 9-0 n 9', 'SET k 2')
      redis.server.keys.restore(snapshot)
      expect(redis.askAll('GET k', 'PTTL k')).toEqual(['1', 5000])
      expect(redis.ids('s')).toEqual(['1-0', '2-0'])
      expect(redis.pending('s', 'g')).toEqual([['1-0', 'a', 0, 1]])
      expect(redis.ask('XINFO CONSUMERS s g')).toEqual([['name', 'a', 'pending', 1, 'idle', 0, 'inactive', 0]])
      expect(redis.ask('XADD s 2-0 n 2')).toContain('equal or smaller')
    }
    redis.server.keys.clear()
    expect(redis.ask('EXISTS s k')).toBe(0)
  })

  test('keeps in which node each entry lies, and where the next one comes', () => {
    redis.fill('s', 150)
    redis.server.keys.restore(redis.server.keys.snapshot())
    for (let ms = 151; ms <= 250; ms++) redis.ask(`XADD s ${ms}-0 n 1`)
    expect(redis.askAll('XTRIM s MAXLEN ~ 50', 'XTRIM s MAXLEN ~ 49', 'XLEN s')).toEqual([200, 0, 50])
  })
})
