import { beforeEach, describe, expect, test } from '@jest/globals'
import { AskedServer } from '#test/support/asked-server.ts'

const WRONG_COUNT = "ERR wrong number of arguments for 'xadd' command"
const SYNTAX = 'ERR syntax error'
const entry = (id: string) => [id, ['n', id.replace('-0', '')]]

let redis: AskedServer
beforeEach(() => {
  redis = new AskedServer()
})

describe('XADD', () => {
  test('numbers by the clock, within one millisecond by sequence, and never backwards', () => {
    expect(redis.askAll('XADD s * n 1', 'XADD s * n 2')).toEqual(['1000000-0', '1000000-1'])
    redis.nowMs += 0.9
    expect(redis.ask('XADD s * n 3')).toBe('1000000-2')
    redis.nowMs -= 5000
    expect(redis.ask('XADD s * n 4')).toBe('1000000-3')
    redis.nowMs += 6000
    expect(redis.ask('XADD s * n 5')).toBe('1001000-0')
  })

  test('takes an id that is given only where it lies behind all that there ever were', () => {
    const refused = 'ERR The ID specified in XADD is equal or smaller than the target stream top item'
    expect(redis.askAll('XADD s 5-1 n 1', 'XADD s 5-1 n 2', 'XADD s 4 n 2')).toEqual(['5-1', refused, refused])
    expect(redis.askAll('XDEL s 5-1', 'XADD s 5-0 n 2', 'XADD s 5-2 n 2')).toEqual([1, refused, '5-2'])
    expect(redis.ask('XADD s x n 2')).toBe('ERR Invalid stream ID specified as stream command argument')
    expect(redis.ids('s')).toEqual(['5-2'])
  })

  test.each(['XADD s *', 'XADD s * n', 'XADD s * n 1 m'])('a field without a value is refused: %s', line => {
    expect(redis.askAll(line, 'EXISTS s')).toEqual([WRONG_COUNT, 0])
  })

  test.each(['XADD s MAXLEN 2 9-0 n 9', 'XADD s maxlen = 2 9-0 n 9'])('keeps as many as it is told: %s', line => {
    redis.fill('s', 4)
    expect(redis.ask(line)).toBe('9-0')
    expect(redis.ids('s')).toEqual(['4-0', '9-0'])
  })

  test('with ~ it keeps more, rather than a part of a node', () => {
    redis.fill('s', 149)
    expect(redis.askAll('XADD s MAXLEN ~ 51 150-0 n 1', 'XLEN s')).toEqual(['150-0', 150])
    expect(redis.askAll('XADD s MAXLEN ~ 51 LIMIT 100 151-0 n 1', 'XLEN s')).toEqual(['151-0', 51])
  })
})

describe('XTRIM', () => {
  test('deletes the oldest, and says how many', () => {
    redis.fill('s', 4)
    expect(redis.askAll('XTRIM s MAXLEN 4', 'XTRIM s MAXLEN 1', 'XTRIM s maxlen = 0')).toEqual([0, 3, 1])
    expect(redis.askAll('XLEN s', 'EXISTS s', 'XTRIM s MAXLEN ~ 0', 'XTRIM none MAXLEN 1')).toEqual([0, 1, 0, 0])
  })

  test('with ~ no more than the limit go, at most a hundred nodes without one, and all with 0', () => {
    redis.fill('s', 10_400)
    const trims = ['XTRIM s MAXLEN ~ 10 LIMIT 99', 'XTRIM s MAXLEN ~ 10 LIMIT 100', 'XTRIM s MAXLEN ~ 10']
    expect(redis.askAll(...trims)).toEqual([0, 100, 10_000])
    redis.fill('t', 10_400)
    expect(redis.ask('XTRIM t MAXLEN ~ 0 limit 0')).toBe(10_400)
  })

  test('a node of which a part was deleted goes for what it holds', () => {
    redis.fill('s', 250)
    redis.askAll('XDEL s 1-0 2-0', 'XDEL s 150-0')
    expect(redis.askAll('XTRIM s MAXLEN ~ 150', 'XTRIM s MAXLEN ~ 149')).toEqual([0, 98])
    expect(redis.ids('s')[0]).toBe('101-0')
  })

  test.each([
    ['XTRIM s MAXLEN 1 LIMIT 5', 'ERR syntax error, LIMIT cannot be used without the special ~ option'],
    ['XTRIM s MAXLEN = 1 LIMIT 5', 'ERR syntax error, LIMIT cannot be used without the special ~ option'],
    ['XTRIM s MAXLEN x', 'ERR value is not an integer or out of range'],
    ['XTRIM s SHORT 1', SYNTAX],
  ])('%s is refused', (line, message) => {
    redis.fill('s', 3)
    expect(redis.askAll(line, 'XLEN s')).toEqual([message, 3])
  })
})

describe('ranges', () => {
  beforeEach(() => redis.fill('s', 4))

  test('from the first or from the last, all or so many', () => {
    expect(redis.ask('XRANGE s 2 3')).toEqual([entry('2-0'), entry('3-0')])
    expect(redis.ask('XRANGE s (1 + count 2')).toEqual([entry('2-0'), entry('3-0')])
    expect(redis.ask('XREVRANGE s 3 2')).toEqual([entry('3-0'), entry('2-0')])
    expect(redis.ask('XREVRANGE s + - count 1')).toEqual([entry('4-0')])
    expect(redis.askAll('XRANGE none - +', 'XREVRANGE none + -')).toEqual([[], []])
  })

  test('what was deleted is gone, once', () => {
    expect(redis.askAll('XDEL s 2-0 2-0 9-0 4-0', 'XDEL none 1-0', 'XLEN s')).toEqual([2, 0, 2])
    expect(redis.ids('s')).toEqual(['1-0', '3-0'])
    expect(redis.askAll('XDEL s 1-0 x', 'XLEN s')).toEqual([
      'ERR Invalid stream ID specified as stream command argument',
      2,
    ])
  })

  test('an entry is read as it was written, however its reader changes what it was given', () => {
    const [[, fields]] = redis.ask('XRANGE s 1 1') as [[string, string[]]]
    fields.push('more')
    expect(redis.ask('XRANGE s 1 1')).toEqual([entry('1-0')])
  })
})

describe('XREAD', () => {
  beforeEach(() => {
    redis.fill('s', 3)
    redis.fill('t', 1)
  })

  test('what lies behind the ids, of each stream that has something', () => {
    expect(redis.ask('XREAD STREAMS s none t 1-0 0 0')).toEqual([
      ['s', [entry('2-0'), entry('3-0')]],
      ['t', [entry('1-0')]],
    ])
    expect(redis.ask('XREAD streams s t 3-0 1')).toBeNull()
  })

  test('so many of each stream; 0 is no bound', () => {
    expect(redis.ask('XREAD count 1 STREAMS s t 1 0')).toEqual([
      ['s', [entry('2-0')]],
      ['t', [entry('1-0')]],
    ])
    expect(redis.ask('XREAD COUNT 0 STREAMS s 0')).toHaveProperty('0.1.length', 3)
    redis.fill('COUNT', 3)
    expect(redis.ask('XREAD STREAMS COUNT 1')).toEqual([['COUNT', [entry('2-0'), entry('3-0')]]])
  })

  test.each(['XREAD STREAMS s t 0', 'XREAD COUNT 1 STREAMS s', 'XREAD COUNT 1 STREAMS', 'XREAD COUNT 1 s 0'])(
    '%s is refused',
    line => {
      expect(redis.ask(line)).toMatch(/^ERR /)
    },
  )
})
