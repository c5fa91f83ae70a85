import { expect, test } from '@jest/globals'
import { RecentCalls } from '#money/recent-calls.ts'

test('rate, share, percentiles and the last error of the last five seconds', () => {
  let nowMs = 0
  const recent = new RecentCalls(() => nowMs)
  for (let call = 0; call < 98; call++) recent.add('POST', 'charged', 0.05)
  recent.add('POST', 'unsettled', 2, 'HTTP_503')
  recent.add('GET', 'unauthorized', 0.1, 'HTTP_401')
  expect(recent.summary()).toEqual({
    perSecond: 20,
    byMeaning: { charged: 98, unsettled: 1, unauthorized: 1 },
    failedShare: 0.02,
    p50Ms: 50,
    p90Ms: 50,
    p99Ms: 2000,
    lastError: 'HTTP_401',
  })
  nowMs = 4_999
  expect(recent.summary().perSecond).toBe(20)
  nowMs = 6_000
  expect(recent.summary()).toMatchObject({ perSecond: 0, byMeaning: {}, failedShare: 0, p99Ms: 0, lastError: null })
})

test('a call that was charged is no error, whatever code it brings, and a failure without one is told by no code', () => {
  const recent = new RecentCalls(() => 0)
  recent.add('POST', 'charged', 0.05, 'LATE')
  recent.add('POST', 'unsettled', 0.05)
  expect(recent.summary()).toMatchObject({ lastError: null, failedShare: 0.5 })
})

test('a fast second counts all its calls, and keeps the durations of the first 500', () => {
  const recent = new RecentCalls(() => 0)
  for (let call = 0; call < 500; call++) recent.add('POST', 'charged', 0.001)
  for (let call = 0; call < 500; call++) recent.add('POST', 'charged', 9)
  expect(recent.summary()).toMatchObject({ perSecond: 200, byMeaning: { charged: 1000 }, p99Ms: 1 })
})

test('on a clock that has run for years too: five seconds later nothing of it is left, and before that all', () => {
  let nowMs = Date.parse('2026-01-01T00:00:00Z')
  const recent = new RecentCalls(() => nowMs)
  recent.add('POST', 'unsettled', 2, 'HTTP_503')
  nowMs += 4000
  recent.add('POST', 'charged', 0.1)
  expect(recent.summary()).toMatchObject({ perSecond: 0.4, failedShare: 0.5, lastError: 'HTTP_503', p99Ms: 2000 })
  nowMs += 1000
  expect(recent.summary()).toMatchObject({ perSecond: 0.2, failedShare: 0, lastError: null, p99Ms: 100 })
})
