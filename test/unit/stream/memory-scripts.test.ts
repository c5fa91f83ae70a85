import { beforeEach, describe, expect, test } from '@jest/globals'
import { AskedServer } from '#test/support/asked-server.ts'

const FULL = "OOM command not allowed when used memory > 'maxmemory'."

let redis: AskedServer
beforeEach(() => {
  redis = new AskedServer()
  redis.fill('s', 5)
  redis.ask('XGROUP CREATE s g 0')
})

const read = (consumer: string, count: number, group = 'g') =>
  void redis.ask(`XREADGROUP GROUP ${group} ${consumer} COUNT ${count} STREAMS s >`)
const consumerNames = () => (redis.ask('XINFO CONSUMERS s g') as unknown[][]).map(info => info[1])

describe('many entries added at once', () => {
  test('each with its own fields', () => {
    expect(redis.ask('streamAddBulk t 0 2 a 1 4 a 2 b 3')).toEqual([['1000000-0', '1000000-1'], ''])
    expect(redis.ask('XRANGE t - +')).toEqual([
      ['1000000-0', ['a', '1']],
      ['1000000-1', ['a', '2', 'b', '3']],
    ])
  })

  test('up to a bound, by whole nodes', () => {
    redis.fill('t', 250)
    redis.ask('streamAddBulk t 60 2 a 1 2 a 2')
    expect(redis.ids('t').slice(0, 1)).toEqual(['101-0'])
    expect(redis.askAll('streamAddBulk t 0 2 a 1', 'XLEN t')).toEqual([[['1000000-2'], ''], 153])
  })

  test('up to the first that is refused', () => {
    expect(redis.ask('streamAddBulk t 0 2 a 1 1 b 2 a 2')).toEqual([
      ['1000000-0'],
      expect.stringMatching(/wrong number of arg/i),
    ])
    redis.server.keys.isFull = true
    expect(redis.askAll('streamAddBulk t 0 2 a 1', 'XLEN t')).toEqual([[[], FULL], 1])
  })
})

describe('acknowledged and deleted', () => {
  beforeEach(() => read('a', 4))

  test('what the only group has done goes', () => {
    expect(redis.ask('streamAckDelete s g 0 0 1-0 3-0')).toBe(0)
    expect(redis.ids('s')).toEqual(['2-0', '4-0', '5-0'])
    expect(redis.pending('s', 'g')).toEqual([
      ['2-0', 'a', 0, 1],
      ['4-0', 'a', 0, 1],
    ])
    expect(redis.ask('streamAckDelete none g 0 0 1-0')).toBe(0)
  })

  test('what another group was not given, or has not done, stays', () => {
    redis.ask('XGROUP CREATE s h 0')
    read('x', 2, 'h')
    redis.ask('XACK s h 1-0')
    expect(redis.ask('streamAckDelete s g 2 2 1-0 3-0 1-0 2-0 3-0')).toBe(1)
    expect(redis.ids('s')).toEqual(['2-0', '3-0', '4-0', '5-0'])
    redis.ask('XGROUP CREATE s i $')
    expect(redis.askAll('streamAckDelete s h 0 0 2-0', 'XLEN s')).toEqual([2, 3])
    // Done by both, though it is the last that one of them was given.
    redis.askAll('XGROUP SETID s h 3-0', 'XACK s g 3-0')
    expect(redis.askAll('streamAckDelete s g 0 0 3-0', 'XLEN s')).toEqual([2, 2])
  })

  test('a stretch at the beginning goes with all in it, and what lies outside by itself', () => {
    redis.ask('XDEL s 2-0')
    redis.ask('XACK s g 2-0')
    expect(redis.ask('streamAckDelete s g 2 2 1-0 3-0 1-0 3-0 4-0')).toBe(0)
    expect([redis.ids('s'), redis.pending('s', 'g')]).toEqual([['5-0'], []])
  })

  test.each([
    ['something before it is not acknowledged', [], '2-0 3-0', ['1-0', '4-0', '5-0']],
    ['something in it is pending', [], '1-0 3-0', ['2-0', '4-0', '5-0']],
    ['it was not handed out', ['XGROUP SETID s g 2-0', 'XACK s g 2-0 4-0'], '1-0 3-0', ['2-0', '4-0', '5-0']],
  ])('a stretch is not dropped where %s: only what was named goes', (_why, before, ids, left) => {
    redis.askAll(...before)
    const [from, to] = ids.split(' ')
    redis.ask(`streamAckDelete s g 2 2 ${from} ${to} ${ids}`)
    expect(redis.ids('s')).toEqual(left)
  })

  test('where one of two stretches cannot be dropped the ids are deleted one by one', () => {
    // The first goes; behind it lies one that is still pending.
    redis.ask('streamAckDelete s g 4 3 1-0 2-0 4-0 4-0 1-0 2-0 4-0')
    expect(redis.ids('s')).toEqual(['3-0', '5-0'])
    expect(redis.pending('s', 'g')).toEqual([['3-0', 'a', 0, 1]])
  })

  test('a stretch that is not at the beginning does not stop one that is', () => {
    redis.ask('XACK s g 1-0 2-0')
    redis.ask('streamAckDelete s g 4 2 3-0 3-0 1-0 2-0 3-0 4-0')
    expect(redis.ids('s')).toEqual(['5-0'])
  })

  test('nothing inside a stretch is nothing to drop', () => {
    redis.ask('XACK s g 1-0 2-0')
    redis.ask('streamAckDelete s g 2 0 1-0 2-0 4-0')
    expect(redis.ids('s')).toEqual(['1-0', '2-0', '3-0', '5-0'])
  })

  test('a stretch of an empty stream is gone already', () => {
    redis.ask('XTRIM s MAXLEN 0')
    expect(redis.askAll('streamAckDelete s g 2 1 1-0 2-0 1-0', 'XLEN s')).toEqual([0, 0])
  })

  test('only by who holds it', () => {
    expect(redis.askAll('streamAckOwned s g b 1-0', 'streamAckOwned s g a 5-0')).toEqual([0, 0])
    expect(redis.ask('streamAckOwned s g a 1-0')).toBe(1)
    expect(redis.ids('s')).toEqual(['2-0', '3-0', '4-0', '5-0'])
    expect(redis.ask('streamAckOwned s g a 1-0')).toBe(0)
  })
})

describe('what a consumer holds', () => {
  beforeEach(() => {
    read('a', 2)
    read('b', 1)
    redis.nowMs += 500
  })
  const counted = (asked: string, before = 3) => {
    redis.ask(`XCLAIM s g a 0 1-0 RETRYCOUNT ${before} JUSTID`)
    const answer = redis.server.execute(['streamRenewOwned', 's', 'g', 'a', '0', '1-0', asked])
    return (answer as { reply: [string, number] }).reply[1]
  }

  test('is renewed where it still does, as idle as it is told', () => {
    expect(redis.ask('streamRenewOwned s g a 30 1-0 2 3-0 2 5-0 2')).toEqual(['1-0', 2])
    expect(redis.pending('s', 'g')).toEqual([
      ['1-0', 'a', 30, 2],
      ['2-0', 'a', 500, 1],
      ['3-0', 'b', 500, 1],
    ])
  })

  test.each([
    ['', 3],
    ['0', 0],
    ['9', 9],
    ['+9', 4],
    ['+2', 2],
    ['-9', 2],
    ['-1', 1],
  ])('with a count of %j three deliveries become %i', (asked, count) => {
    expect([counted(asked), redis.ask('XPENDING s g 1 1 1')]).toEqual([count, [['1-0', 'a', 0, count]]])
  })

  test('a count does not fall below none', () => {
    expect(counted('-9', 0)).toBe(0)
  })

  test('is forgiven a delivery, whoever holds it, and nothing else', () => {
    redis.ask('XCLAIM s g b 0 3-0 RETRYCOUNT 0 JUSTID IDLE 500')
    expect(redis.ask('streamForgive s g 1-0 3-0 4-0')).toBe(1)
    expect(redis.pending('s', 'g')).toEqual([
      ['1-0', 'a', 500, 0],
      ['2-0', 'a', 500, 1],
      ['3-0', 'b', 500, 0],
    ])
  })
})

describe('consumers', () => {
  test('that hold nothing and were silent that long are removed, but not the asking one', () => {
    read('holder', 1)
    redis.askAll('XGROUP CREATECONSUMER s g own', 'XGROUP CREATECONSUMER s g idle')
    redis.nowMs += 100
    redis.ask('XGROUP CREATECONSUMER s g fresh')
    expect(redis.askAll('streamRemoveDeadConsumers s g own 101', 'streamRemoveDeadConsumers s g own 100')).toEqual([
      0, 1,
    ])
    expect(consumerNames()).toEqual(['fresh', 'holder', 'own'])
  })

  test('who had something long ago but asks still is not dead before it was idle as long', () => {
    read('a', 1)
    redis.ask('XACK s g 1-0')
    redis.nowMs += 100
    redis.ask('XREADGROUP GROUP g a STREAMS s 0')
    expect(redis.askAll('streamRemoveDeadConsumers s g own 101', 'streamRemoveDeadConsumers s g own 100')).toEqual([
      0, 1,
    ])
  })

  test('a hundred are removed at once', () => {
    for (let at = 0; at < 101; at++) redis.ask(`XGROUP CREATECONSUMER s g c${at}`)
    expect(redis.askAll('streamRemoveDeadConsumers s g own 0', 'streamRemoveDeadConsumers s g own 0')).toEqual([100, 1])
  })

  test('one is removed by name unless it holds something', () => {
    read('a', 1)
    redis.ask('XGROUP CREATECONSUMER s g b')
    expect(['a', 'b', 'c'].map(name => redis.ask(`streamRemoveConsumer s g ${name}`))).toEqual([0, 1, 1])
    expect(consumerNames()).toEqual(['a'])
  })
})

describe('a stream', () => {
  test('loses what was acknowledged before the oldest that is pending, so many at once', () => {
    read('a', 4)
    redis.ask('XACK s g 1-0 2-0 4-0')
    expect(redis.askAll('streamTrimAcknowledged s g 1', 'streamTrimAcknowledged s g 9')).toEqual([1, 1])
    expect(redis.ids('s')).toEqual(['3-0', '4-0', '5-0'])
    redis.ask('XACK s g 3-0')
    expect(redis.askAll('streamTrimAcknowledged s g 9', 'streamTrimAcknowledged s g 9', 'XLEN s')).toEqual([2, 0, 1])
  })

  test('and its group may be called like a field of theirs', () => {
    redis.askAll('XGROUP DESTROY s g', 'XGROUP CREATE s name 2-0')
    expect(redis.askAll('streamTrimAcknowledged s name 9', 'XLEN s')).toEqual([2, 3])
  })

  test('of several groups, or of another one, keeps all', () => {
    read('a', 1)
    redis.ask('XACK s g 1-0')
    expect(redis.askAll('streamTrimAcknowledged s h 9', 'streamTrimAcknowledged none g 9')).toEqual([0, 0])
    redis.ask('XGROUP CREATE s h $')
    expect(redis.askAll('streamTrimAcknowledged s g 9', 'XLEN s')).toEqual([0, 5])
    expect(redis.askAll('XGROUP DESTROY s g', 'XGROUP DESTROY s h', 'streamTrimAcknowledged s g 9')).toEqual([1, 1, 0])
  })

  test('is removed when it is empty and nobody holds anything of it', () => {
    expect(redis.askAll('streamRemove none g', 'streamRemove s g', 'XLEN s')).toEqual([1, 0, 5])
    read('a', 1)
    expect(redis.askAll('XTRIM s MAXLEN 0', 'streamRemove s g', 'EXISTS s')).toEqual([5, 0, 1])
    redis.askAll('XACK s g 1-0', 'XGROUP CREATE s h 0')
    expect(redis.askAll('streamRemove s g', 'EXISTS s')).toEqual([0, 1])
    expect(redis.askAll('XGROUP DESTROY s h', 'streamRemove s g', 'EXISTS s')).toEqual([1, 1, 0])
  })

  test('without a group is removed when it is empty', () => {
    redis.fill('t', 1)
    expect(redis.askAll('XDEL t 1-0', 'streamRemove t g', 'EXISTS t')).toEqual([1, 1, 0])
  })
})

describe('dead letters', () => {
  const trim = (...[count, oldest, seconds, most]: (string | number)[]) => {
    const answer = redis.server.execute(['streamTrimLetters', 's', ...[count, oldest, seconds, most].map(String)])
    return [(answer as { reply: unknown }).reply, redis.ids('s')]
  }

  test.each<[count: number, oldest: string, most: number, left: number[]]>([
    [-1, '', 9, [1, 2, 3, 4, 5]],
    [5, '', 9, [1, 2, 3, 4, 5]],
    [3, '', 9, [3, 4, 5]],
    [0, '', 2, [3, 4, 5]],
    [-1, '3-0', 9, [3, 4, 5]],
    [-1, '3-0', 1, [2, 3, 4, 5]],
    [1, '3-0', 9, [5]],
    [4, '3-0', 9, [3, 4, 5]],
    [3, '3-0', 9, [3, 4, 5]],
  ])('at most %i, none below %j, %i at once: %j are left', (count, oldest, most, left) => {
    expect(trim(count, oldest, 0, most)).toEqual([5 - left.length, left.map(ms => `${ms}-0`)])
    expect(redis.ask('PTTL s')).toBe(-1)
  })

  test('with an age the whole stream goes in the end', () => {
    trim(-1, '', 60, 9)
    expect(redis.ask('PTTL s')).toBe(60_000)
  })

  test('come back with what their entries had, and are letters no more', () => {
    redis.ask('XADD s 9-0 a 1 b 2 why x')
    expect(redis.ask('streamReplayLetters s t 2 9-0 8-0')).toEqual([['1000000-0', ''], ''])
    expect(redis.ask('XRANGE t - +')).toEqual([['1000000-0', ['a', '1', 'b', '2']]])
    expect(redis.ids('s')).toEqual(['1-0', '2-0', '3-0', '4-0', '5-0'])
  })

  test('stay where the server refuses their entries', () => {
    expect(redis.ask('streamReplayLetters s t 0 1-0 8-0')).toEqual([['1000000-0', ''], ''])
    redis.server.keys.isFull = true
    expect(redis.ask('streamReplayLetters s t 0 8-0 2-0 3-0')).toEqual([[''], FULL])
    expect(redis.askAll('XLEN s', 'XLEN t')).toEqual([4, 1])
  })
})

describe('permits of a window', () => {
  test('are counted until it is over', () => {
    expect(redis.askAll('rlflxIncr k 2 1000', 'rlflxIncr k 3 1000')).toEqual([
      [2, 1000],
      [5, 1000],
    ])
    redis.nowMs += 400
    expect(redis.ask('rlflxIncr k 1 1000')).toEqual([6, 600])
    redis.nowMs += 601
    expect(redis.ask('rlflxIncr k 1 1000')).toEqual([1, 1000])
  })

  test('a count that would never end is given an end', () => {
    redis.ask('SET k 4')
    expect(redis.askAll('rlflxIncr k 1 1000', 'PTTL k', 'GET k')).toEqual([[5, 1000], 1000, '5'])
  })
})
