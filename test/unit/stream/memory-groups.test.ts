import { beforeEach, describe, expect, test } from '@jest/globals'
import { AskedServer } from '#test/support/asked-server.ts'

const NO_GROUP = "NOGROUP No such key 's' or consumer group 'h'"
const entry = (id: string) => [id, ['n', id.replace('-0', '')]]

let redis: AskedServer
beforeEach(() => {
  redis = new AskedServer()
  redis.fill('s', 4)
  redis.askAll('XGROUP CREATE s g 0', 'XGROUP CREATE s other $')
})

/** Of each consumer its name, how many it holds, how long it was silent and without anything new. */
const consumers = (group = 'g') =>
  (redis.ask(`XINFO CONSUMERS s ${group}`) as unknown[][]).map(info => [info[1], info[3], info[5], info[7]])
const read = (consumer: string, options = '') => redis.ask(`XREADGROUP GROUP g ${consumer} ${options}STREAMS s >`)

describe('XREADGROUP', () => {
  test('hands out each entry once, and counts it for who has it', () => {
    expect(read('a', 'COUNT 1 ')).toEqual([['s', [entry('1-0')]]])
    redis.nowMs += 70
    expect(read('b', 'count 2 ')).toEqual([['s', [entry('2-0'), entry('3-0')]]])
    expect(redis.pending('s', 'g')).toEqual([
      ['1-0', 'a', 70, 1],
      ['2-0', 'b', 0, 1],
      ['3-0', 'b', 0, 1],
    ])
    expect(consumers()).toEqual([
      ['a', 1, 70, 70],
      ['b', 2, 0, 0],
    ])
  })

  test('who gets nothing was there all the same', () => {
    read('a')
    redis.nowMs += 50
    expect([read('a'), read('b')]).toEqual([null, null])
    redis.nowMs += 3
    expect(consumers()).toEqual([
      ['a', 4, 3, 53],
      ['b', 0, 3, -1],
    ])
  })

  test('with NOACK nothing is to be acknowledged, and nothing comes twice', () => {
    expect(read('a', 'NOACK COUNT 3 ')).toHaveProperty('0.1.length', 3)
    expect([redis.pending('s', 'g'), consumers(), read('NOACK')]).toEqual([
      [],
      [['a', 0, 0, -1]],
      [['s', [entry('4-0')]]],
    ])
    expect(redis.pending('s', 'g')).toEqual([['4-0', 'NOACK', 0, 1]])
  })

  test('of several streams it leaves out those without anything new', () => {
    redis.fill('t', 1)
    redis.ask('XGROUP CREATE t g 0')
    const ask = 'XREADGROUP GROUP g a COUNT 3 STREAMS s t > >'
    expect(redis.ask(ask)).toEqual([
      ['s', ['1-0', '2-0', '3-0'].map(entry)],
      ['t', [entry('1-0')]],
    ])
    expect(redis.askAll(ask, ask)).toEqual([[['s', [entry('4-0')]]], null])
  })

  test('without one of the groups none is read', () => {
    redis.fill('t', 1)
    expect(redis.ask('XREADGROUP GROUP g a STREAMS s t > >')).toContain("NOGROUP No such key 't' or consumer group 'g'")
    expect(redis.ask('XREADGROUP GROUP g a STREAMS none >')).toContain("No such key 'none'")
    expect([redis.pending('s', 'g'), consumers()]).toEqual([[], []])
    expect(redis.ask('XREADGROUP GROUP g a STREAMS s t >')).toContain("Unbalanced 'xreadgroup' list of streams")
  })

  test('by an id it gives again what the consumer holds behind it, once more delivered', () => {
    read('a', 'COUNT 3 ')
    redis.askAll('XCLAIM s g b 0 2-0 JUSTID', 'XDEL s 3-0')
    redis.nowMs += 20
    expect(redis.ask('XREADGROUP GROUP g a STREAMS s 0')).toEqual([['s', [entry('1-0'), ['3-0', null]]]])
    expect(redis.pending('s', 'g')).toEqual([
      ['1-0', 'a', 0, 2],
      ['2-0', 'b', 20, 1],
      ['3-0', 'a', 20, 1],
    ])
    expect(redis.ask('XREADGROUP GROUP g a COUNT 1 STREAMS s 0')).toEqual([['s', [entry('1-0')]]])
    redis.nowMs += 5
    expect(redis.ask('XREADGROUP GROUP g a STREAMS s 3-0')).toEqual([['s', []]])
    expect(consumers()[0]).toEqual(['a', 2, 0, 25])
  })

  test('a group that is set back gives again, and what another had is its new holder’s', () => {
    read('a')
    redis.nowMs += 9
    expect(redis.askAll('XGROUP SETID s g 2-0', 'XREADGROUP GROUP g b COUNT 1 STREAMS s >')).toEqual([
      'OK',
      [['s', [entry('3-0')]]],
    ])
    expect(redis.ask('XPENDING s g (2 3 9')).toEqual([['3-0', 'b', 0, 1]])
    expect(redis.ask('XPENDING s g')).toEqual([
      4,
      '1-0',
      '4-0',
      [
        ['a', '3'],
        ['b', '1'],
      ],
    ])
  })
})

describe('XPENDING', () => {
  beforeEach(() => {
    read('b', 'COUNT 1 ')
    redis.nowMs += 30
    read('a', 'COUNT 2 ')
    redis.nowMs += 10
  })

  test('tells in short who holds how many, by name', () => {
    redis.ask('XGROUP CREATECONSUMER s g aa')
    expect(redis.ask('XPENDING s g')).toEqual([
      3,
      '1-0',
      '3-0',
      [
        ['a', '2'],
        ['b', '1'],
      ],
    ])
    expect(redis.askAll('XPENDING s other', 'XPENDING s h', 'XPENDING none g')).toEqual([
      [0, null, null, null],
      NO_GROUP,
      "NOGROUP No such key 'none' or consumer group 'g'",
    ])
  })

  test.each([
    ['- + 9', ['1-0', '2-0', '3-0']],
    ['2 + 9', ['2-0', '3-0']],
    ['- (3-0 9', ['1-0', '2-0']],
    ['- + 2', ['1-0', '2-0']],
    ['- + 0', []],
    ['- + -1', []],
    ['- + 9 a', ['2-0', '3-0']],
    ['- + 1 a', ['2-0']],
    ['- + 9 nobody', []],
    ['IDLE 40 - + 9', ['1-0']],
    ['idle 41 - + 9', []],
    ['IDLE 10 - + 2', ['1-0', '2-0']],
    ['IDLE 0 - + 9 b', ['1-0']],
  ])('tells in full of %s', (asked, ids) => {
    const rows = redis.ask(`XPENDING s g ${asked}`) as [string][]
    expect(rows.map(([id]) => id)).toEqual(ids)
  })

  test('nothing was idle for less than no time', () => {
    redis.nowMs -= 15
    expect(redis.ask('XPENDING s g IDLE 0 - + 9')).toEqual([
      ['1-0', 'b', 25, 1],
      ['2-0', 'a', 0, 1],
      ['3-0', 'a', 0, 1],
    ])
    expect(consumers()[0]).toEqual(['a', 2, 0, 0])
  })
})

describe('XACK and XACKDEL', () => {
  beforeEach(() => void read('a', 'COUNT 3 '))

  test('what is acknowledged is pending no more, once', () => {
    expect(redis.askAll('XACK s g 1-0 1-0 4-0', 'XACK s h 2-0', 'XACK none g 2-0')).toEqual([1, 0, 0])
    expect(redis.ask('XPENDING s g')).toEqual([2, '2-0', '3-0', [['a', '2']]])
    expect(redis.askAll('XACK s g 2-0 x', 'XLEN s')).toEqual([
      'ERR Invalid stream ID specified as stream command argument',
      4,
    ])
  })

  test('and deleted in one step', () => {
    expect(redis.ask('XACKDEL s g KEEPREF IDS 2 1-0 4-0')).toEqual([1, -1])
    expect(redis.askAll('XACKDEL s h KEEPREF IDS 1 2-0', 'XACKDEL none g KEEPREF IDS 1 2-0')).toEqual([[-1], [-1]])
    expect([redis.ids('s'), consumers()]).toEqual([['2-0', '3-0', '4-0'], [['a', 2, 0, 0]]])
  })

  test('with ACKED an entry stays that another group was not given or has not acknowledged', () => {
    redis.askAll('XGROUP SETID s other 1-0', 'XREADGROUP GROUP other x COUNT 1 STREAMS s >')
    expect(redis.ask('XACKDEL s g acked IDS 3 1-0 2-0 3-0')).toEqual([1, 2, 2])
    expect(redis.ids('s')).toEqual(['2-0', '3-0', '4-0'])
  })

  test('with ACKED an entry goes that all groups have done', () => {
    redis.ask('XGROUP SETID s other 3-0')
    expect(redis.askAll('XACKDEL s g ACKED IDS 1 3-0', 'XLEN s')).toEqual([[1], 3])
  })

  test('with KEEPREF it goes whoever needs it', () => {
    redis.ask('XGROUP SETID s other 0')
    expect(redis.askAll('XACKDEL s g KEEPREF IDS 1 1-0', 'XLEN s')).toEqual([[1], 3])
  })
})

describe('XGROUP', () => {
  const noKey = expect.stringContaining('ERR The XGROUP subcommand requires the key to exist')

  test('a group begins at an id, or at the end; its name is taken once', () => {
    redis.askAll('XGROUP CREATE s h 2-0', 'XDEL s 4-0', 'XGROUP CREATE s last $')
    expect(redis.ask('XINFO GROUPS s')).toEqual(
      [
        ['g', '0-0'],
        ['h', '2-0'],
        ['last', '4-0'],
        ['other', '4-0'],
      ].map(([name, id]) => ['name', name, 'consumers', 0, 'pending', 0, 'last-delivered-id', id]),
    )
    expect(redis.ask('XGROUP CREATE s g $')).toBe('BUSYGROUP Consumer Group name already exists')
    expect(redis.ask('XREADGROUP GROUP h a COUNT 1 STREAMS s >')).toEqual([['s', [entry('3-0')]]])
  })

  test('a stream is made for one only where that is asked', () => {
    expect(redis.askAll('XGROUP CREATE t g 0', 'XGROUP CREATE t g x MKSTREAM', 'EXISTS t')).toEqual([
      noKey,
      'ERR Invalid stream ID specified as stream command argument',
      0,
    ])
    expect(redis.askAll('XGROUP create t g $ mkstream', 'EXISTS t', 'XLEN t')).toEqual(['OK', 1, 0])
  })

  test('is destroyed once, with what was pending', () => {
    read('a')
    expect(redis.askAll('xgroup DESTROY s g', 'XGROUP destroy s g', 'XGROUP CREATE s g $')).toEqual([1, 0, 'OK'])
    expect([redis.pending('s', 'g'), consumers()]).toEqual([[], []])
    expect(redis.ask('XGROUP DESTROY none g')).toEqual(noKey)
  })

  test('is set to an id, or to the end', () => {
    expect(redis.askAll('XGROUP SETID s g 3-0', 'XREADGROUP GROUP g a STREAMS s >')).toEqual([
      'OK',
      [['s', [entry('4-0')]]],
    ])
    redis.ask('XGROUP SETID s g 0')
    expect(redis.askAll('XGROUP setid s g $', 'XREADGROUP GROUP g a STREAMS s >')).toEqual(['OK', null])
  })

  test('a consumer is made once, and taken away with all that it holds', () => {
    expect(redis.askAll('XGROUP CREATECONSUMER s g a', 'XGROUP createconsumer s g a')).toEqual([1, 0])
    read('a', 'COUNT 2 ')
    read('b')
    expect(redis.askAll('XGROUP DELCONSUMER s g a', 'XGROUP delconsumer s g a')).toEqual([2, 0])
    expect(redis.ask('XPENDING s g')).toEqual([2, '3-0', '4-0', [['b', '2']]])
    expect(consumers()).toEqual([['b', 2, 0, 0]])
  })

  test('what it does not know is refused', () => {
    const noGroup = "NOGROUP No such consumer group 'h' for key name 's'"
    expect(redis.askAll('XGROUP SETID s h 0', 'XGROUP DELCONSUMER s h a')).toEqual([noGroup, noGroup])
    expect(redis.ask('XGROUP FORGET s g a')).toBe("ERR unknown subcommand 'FORGET'. Try XGROUP HELP.")
    expect(redis.askAll('XINFO GROUPS none', 'XINFO CONSUMERS s h')).toEqual(['ERR no such key', noGroup])
    expect(consumers()).toEqual([])
  })
})
