import { expect, test } from '@jest/globals'
import type { Bottleneck } from '#admin/snapshot/cause.ts'
import { createSince } from '#admin/snapshot/since.ts'

test('a bottleneck keeps the time it began at, whatever its text; after a pause it begins anew', () => {
  let nowMs = Date.parse('2026-11-25T10:00:00Z')
  const since = createSince(() => nowMs)
  const seen = (...codes: Bottleneck['code'][]) => {
    const bottlenecks: Bottleneck[] = codes.map(code => ({ code, level: 'bad', text: () => String(nowMs) }))
    return since({ id: '42', slots: 5, slotsInUse: 1, done: 0, bottlenecks }).bottlenecks.map(bottleneck =>
      bottleneck.since?.slice(11, 19),
    )
  }
  expect(seen('no-worker')).toEqual(['10:00:00'])
  nowMs += 5000
  expect(seen('breaker-open', 'no-worker')).toEqual(['10:00:05', '10:00:00'])
  nowMs += 5000
  expect(seen('breaker-open')).toEqual(['10:00:05'])
  nowMs += 5000
  expect(seen('no-worker')).toEqual(['10:00:15'])
})

test('what every healthy promotion has for a moment is told when it stays', () => {
  let nowMs = 0
  const since = createSince(() => nowMs)
  const seen = (...codes: Bottleneck['code'][]) => {
    const bottlenecks: Bottleneck[] = codes.map(code => ({ code, level: 'wait', text: () => '' }))
    return since({ id: '42', slots: 5, slotsInUse: 1, done: 0, bottlenecks }).bottlenecks.map(({ code }) => code)
  }
  expect(seen('none')).toEqual(['none'])
  nowMs += 1000
  expect(seen('kafka-lag', 'starting')).toEqual(['none'])
  nowMs += 1000
  expect(seen('kafka-lag', 'rate-limit')).toEqual(['rate-limit'])
  nowMs += 1000
  expect(seen('kafka-lag')).toEqual(['kafka-lag'])
})

test.each([
  ['starting', false],
  ['waiting-for-gifts', false],
  ['kafka-lag', true],
] as const)('%s is not told while gifts are settled all the time', (code, isSmall) => {
  let [nowMs, done] = [0, 0]
  const since = createSince(() => nowMs)
  const seen = () => {
    const bottlenecks: Bottleneck[] = [{ code, level: 'wait', text: () => '', isSmall }]
    return since({ id: '42', slots: 5, slotsInUse: 0, done, bottlenecks }).bottlenecks.map(one => one.code)
  }
  expect(seen()).toEqual([code])
  for (let look = 0; look < 5; look++) {
    nowMs += 1000
    done += 50
    expect(seen()).toEqual(['none'])
  }
  nowMs += 1999
  expect(seen()).toEqual(['none'])
  nowMs += 1
  expect(seen()).toEqual([code])
})

test('a time that is recorded goes before the time it was first seen', () => {
  const since = createSince(() => 0)
  const recorded: Bottleneck = { code: 'breaker-open', level: 'bad', text: () => '', since: '2026-11-25T10:00:00.000Z' }
  expect(since({ id: '1', slots: 0, slotsInUse: 0, done: 0, bottlenecks: [recorded] }).bottlenecks[0]?.since).toBe(
    recorded.since,
  )
})
