import { describe, expect, test } from '@jest/globals'
import { labelsOf } from '#test/support/promql/labels.ts'

const SERIES: Readonly<Record<string, string[]>> = {
  workers: ['process'],
  backlog: ['process', 'promotion_id', 'type'],
  running: ['process', 'promotion_id', 'type'],
  call_bucket: ['process', 'method', 'le'],
}
const labels = (query: string) => {
  const value = labelsOf(query, name => {
    if (SERIES[name] === undefined) throw new Error(`${name} is not exposed`)
    return new Set(SERIES[name])
  })
  return value === 'scalar' ? value : [...value].sort().join()
}

describe('labels of a query', () => {
  test.each([
    ['1', 'scalar'],
    ['workers < 1', 'process'],
    ['sum(backlog) > 0', ''],
    ['sum by (promotion_id, type) (rate(backlog{type="POINT"}[5m]))', 'promotion_id,type'],
    ['histogram_quantile(0.99, sum by (le) (rate(call_bucket[5m]))) > 2', ''],
    ['sum(backlog) > 0.05 * sum(running)', ''],
    ['backlog and running == 1', 'process,promotion_id,type'],
    ['max(workers) < 1 and sum(backlog) > 0', ''],
    ['workers < 1 and on() sum(backlog) > 0', 'process'],
    ['backlog and on (process) workers', 'process,promotion_id,type'],
    ['backlog / ignoring (promotion_id, type) workers', 'process'],
  ])('%s: %s', (query, expected) => {
    expect(labels(query)).toBe(expected)
  })

  test.each([
    'workers < 1 and sum(backlog) > 0',
    'sum by (promotion_id) (backlog) > 0 and running == 1',
    'backlog > workers',
    'sum(backlog) / backlog',
    'workers and on (type) backlog',
  ])('%s never matches', query => {
    expect(() => labels(query)).toThrow('never match')
  })

  test('what is not exposed, or not understood, is no label set', () => {
    expect(() => labels('sum(nothing)')).toThrow('nothing is not exposed')
    expect(() => labels('workers ? 1')).toThrow('not understood')
    expect(() => labels('sum(workers')).toThrow('not understood')
  })
})
