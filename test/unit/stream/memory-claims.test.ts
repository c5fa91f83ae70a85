import { beforeEach, describe, expect, test } from '@jest/globals'
import { AskedServer } from '#test/support/asked-server.ts'

const NO_GROUP = "NOGROUP No such key 's' or consumer group 'h'"
const entry = (id: string) => [id, ['n', id.replace('-0', '')]]

let redis: AskedServer
beforeEach(() => {
  redis = new AskedServer()
  redis.fill('s', 3)
  redis.askAll('XGROUP CREATE s g 0', 'XREADGROUP GROUP g dead COUNT 2 STREAMS s >')
  redis.nowMs += 100
})

/** Of an entry of the group its holder, idle ms and deliveries. */
const holding = (id: string) => (redis.ask(`XPENDING s g ${id} ${id} 1`) as unknown[][])[0]?.slice(1)
const names = () => (redis.ask('XINFO CONSUMERS s g') as unknown[][]).map(info => [info[1], info[3], info[5], info[7]])

describe('XCLAIM', () => {
  test('gives entries to who claims them, once more delivered and as just begun', () => {
    expect(redis.ask('XCLAIM s g me 0 1-0 2-0')).toEqual([entry('1-0'), entry('2-0')])
    expect([holding('1-0'), holding('2-0')]).toEqual([
      ['me', 0, 2],
      ['me', 0, 2],
    ])
    expect(names()).toEqual([
      ['dead', 0, 100, 100],
      ['me', 2, 0, 0],
    ])
  })

  test('what the claimer holds already stays with it', () => {
    expect(redis.ask('XCLAIM s g dead 0 1-0')).toEqual([entry('1-0')])
    expect([holding('1-0'), names()]).toEqual([['dead', 0, 2], [['dead', 2, 0, 0]]])
  })

  test('only what was idle that long, and was handed out', () => {
    expect(redis.askAll('XCLAIM s g me 101 1-0', 'XCLAIM s g me 0 3-0', 'XCLAIM s g me 100 1-0')).toEqual([
      [],
      [],
      [entry('1-0')],
    ])
    redis.nowMs += 7
    // Who gets nothing was there all the same.
    expect(redis.askAll('XCLAIM s g me 500 2-0', 'XCLAIM s g late 0 9-0')).toEqual([[], []])
    redis.nowMs += 1
    expect(names()).toEqual([
      ['dead', 1, 108, 108],
      ['late', 0, 1, -1],
      ['me', 1, 1, 8],
    ])
  })

  test.each([0, -5])('whoever asks for an idle time of %s gets it, though the clock was set back', minIdleMs => {
    redis.nowMs -= 200
    expect(redis.ask(`XCLAIM s g me ${minIdleMs} 1-0`)).toEqual([entry('1-0')])
  })

  test('by ids only, the deliveries stay as they are', () => {
    expect(redis.ask('XCLAIM s g me 0 1-0 2-0 JustId')).toEqual(['1-0', '2-0'])
    expect(holding('1-0')).toEqual(['me', 0, 1])
  })

  test('looks idle for as long as it is told, and delivered as often', () => {
    redis.askAll('XCLAIM s g me 0 1-0 IDLE 40 RETRYCOUNT 7', 'XCLAIM s g me 0 2-0 retrycount 0 idle 5 JUSTID')
    expect([holding('1-0'), holding('2-0')]).toEqual([
      ['me', 40, 7],
      ['me', 5, 0],
    ])
  })

  test.each([
    ['1000100', 1_000_100],
    ['9999999999999', 0],
    ['-3', 0],
  ])('idle for %s ms is as long as the server’s clock allows', (idle, idleMs) => {
    redis.ask(`XCLAIM s g me 0 1-0 IDLE ${idle} JUSTID`)
    expect(holding('1-0')).toEqual(['me', idleMs, 1])
  })

  test('of no entries none is claimed', () => {
    expect(redis.ask('XCLAIM s g me 0 JUSTID')).toEqual([])
  })

  test('of a deleted entry only the mark goes', () => {
    redis.ask('XDEL s 1-0')
    expect(redis.askAll('XCLAIM s g me 0 1-0 2-0', 'XPENDING s g')).toEqual([
      [entry('2-0')],
      [1, '2-0', '2-0', [['me', '1']]],
    ])
  })

  test.each([
    ['XCLAIM s g me 0 1-0 FORCE', "ERR Unrecognized XCLAIM option 'FORCE'"],
    ['XCLAIM s g me 0 1-0 TIME 1', "ERR Unrecognized XCLAIM option 'TIME'"],
    ['XCLAIM s g me 0 1-0 IDEL 5', "ERR Unrecognized XCLAIM option 'IDEL'"],
    ['XCLAIM s g me 0 IDEL', "ERR Unrecognized XCLAIM option 'IDEL'"],
    ['XCLAIM s h me 0 1-0', NO_GROUP],
    ['XCLAIM none g me 0 1-0', "NOGROUP No such key 'none' or consumer group 'g'"],
    ['XAUTOCLAIM s h me 0 0', NO_GROUP],
    ['XAUTOCLAIM none g me 0 0', "NOGROUP No such key 'none' or consumer group 'g'"],
  ])('%s is refused', (line, message) => {
    expect(redis.ask(line)).toBe(message)
    expect(names()).toEqual([['dead', 2, 100, 100]])
  })
})

describe('XAUTOCLAIM', () => {
  test('takes what was idle that long, from an id on', () => {
    redis.ask('XREADGROUP GROUP g slow STREAMS s >')
    expect(redis.ask('XAUTOCLAIM s g me 100 2-0')).toEqual(['0-0', [entry('2-0')], []])
    expect(['1-0', '2-0', '3-0'].map(holding)).toEqual([
      ['dead', 100, 1],
      ['me', 0, 2],
      ['slow', 0, 1],
    ])
  })

  test('by ids only, the deliveries stay as they are', () => {
    expect(redis.ask('XAUTOCLAIM s g me -1 0 COUNT 5 justid')).toEqual(['0-0', ['1-0', '2-0'], []])
    expect(holding('1-0')).toEqual(['me', 0, 1])
  })

  test('so many at once, and says where to go on', () => {
    expect(redis.ask('XAUTOCLAIM s g me 0 0 count 1')).toEqual(['2-0', [entry('1-0')], []])
    expect(redis.ask('XAUTOCLAIM s g me 0 2-0 COUNT 1')).toEqual(['0-0', [entry('2-0')], []])
  })

  test('tells of those that were deleted, which count, and whose marks go', () => {
    redis.ask('XDEL s 1-0')
    expect(redis.ask('XAUTOCLAIM s g me 0 0 COUNT 1')).toEqual(['2-0', [], ['1-0']])
    expect(redis.ask('XAUTOCLAIM s g me 0 0')).toEqual(['0-0', [entry('2-0')], []])
    expect(redis.ask('XPENDING s g')).toEqual([1, '2-0', '2-0', [['me', '1']]])
  })

  test('who gets nothing was there all the same', () => {
    redis.ask('XAUTOCLAIM s g me 500 0')
    redis.nowMs += 5
    expect(redis.ask('XAUTOCLAIM s g other 500 0')).toEqual(['0-0', [], []])
    redis.ask('XAUTOCLAIM s g me 500 0')
    expect(names()).toEqual([
      ['dead', 2, 105, 105],
      ['me', 0, 0, -1],
      ['other', 0, 0, -1],
    ])
  })

  describe('of many', () => {
    const MANY = 130
    beforeEach(() => {
      redis.server.keys.clear()
      redis.fill('s', MANY)
      redis.askAll('XGROUP CREATE s g 0', 'XREADGROUP GROUP g dead STREAMS s >')
    })

    test('a hundred at once, unless told otherwise', () => {
      const [cursor, taken] = redis.ask('XAUTOCLAIM s g me 0 0') as [string, unknown[]]
      expect([cursor, taken.length]).toEqual(['101-0', 100])
    })

    test('no more are looked at than ten for each that may be taken', () => {
      expect(redis.ask('XAUTOCLAIM s g me 50 0 COUNT 3')).toEqual(['31-0', [], []])
      expect(redis.ask(`XAUTOCLAIM s g me 50 ${MANY - 29}-0 COUNT 3`)).toEqual(['0-0', [], []])
      redis.nowMs += 50
      redis.ask(`XCLAIM s g me 0 ${Array.from({ length: 29 }, (_, at) => `${at + 1}-0`).join(' ')} JUSTID`)
      expect(redis.ask('XAUTOCLAIM s g me 50 0 COUNT 3 JUSTID')).toEqual(['31-0', ['30-0'], []])
    })
  })
})
