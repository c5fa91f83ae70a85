import { expect, test } from '@jest/globals'
import type { Bottleneck } from '#admin/snapshot/bottleneck.ts'
import { createSince } from '#admin/snapshot/since.ts'

test('a bottleneck keeps the time it began at, whatever its text; after a pause it begins anew', () => {
  let nowMs = Date.parse('2026-11-25T10:00:00Z')
  const since = createSince(() => nowMs)
  const seen = (...codes: Bottleneck['code'][]) => {
    const bottlenecks: Bottleneck[] = codes.map(code => ({ code, level: 'bad', text: String(nowMs) }))
    return since({ id: '42', bottlenecks }).bottlenecks.map(bottleneck => bottleneck.since?.slice(11, 19))
  }
  expect(seen('no-worker')).toEqual(['10:00:00'])
  nowMs += 5000
  expect(seen('breaker-open', 'no-worker')).toEqual(['10:00:05', '10:00:00'])
  nowMs += 5000
  expect(seen('breaker-open')).toEqual(['10:00:05'])
  nowMs += 5000
  expect(seen('no-worker')).toEqual(['10:00:15'])
})
