import { expect, test } from '@jest/globals'
import { createPromotionMetrics, deadLetterLabel, exposeMoneyStatus } from '#promotion/metrics.ts'
import { registerConsumerMetrics, registerLoopMetrics } from '#promotion/worker-metrics.ts'
import { createMetrics, type Metrics } from '#runtime/metrics.ts'

/** Series of ours, as `name{labels}` → value, without the label that all have. */
async function seriesOf(metrics: Metrics): Promise<Record<string, number>> {
  const text = (await metrics.registry.metrics()).replace(/,?process="test"/g, '').replaceAll('{}', '')
  return Object.fromEntries(
    [...text.matchAll(/^(promostream_\S+) (\S+)$/gm)].map(([, name, value]) => [name, Number(value)]),
  )
}

test('series that alert rules watch begin at 0: `increase()` never sees a series that is born at 1', async () => {
  const metrics = createMetrics('test')
  createPromotionMetrics(metrics)
  const expected = ['VOUCHER', 'POINT'].flatMap(type => [
    `promostream_money_conflict_total{type="${type}"}`,
    `promostream_other_group_total{type="${type}"}`,
    ...['unreadable', 'result-not-found', 'poison', 'other'].map(
      reason => `promostream_dead_letters_total{type="${type}",reason="${reason}"}`,
    ),
    ...['true', 'false'].map(repeated => `promostream_deliveries_total{type="${type}",repeated="${repeated}"}`),
  ])
  const finds = ['orphan', 'lost-retry', 'stopped-entry'].map(what => `promostream_upkeep_found_total{what="${what}"}`)
  const series = await seriesOf(metrics)
  expect(Object.fromEntries([...expected, ...finds].map(name => [name, series[name]]))).toEqual(
    Object.fromEntries([...expected, ...finds].map(name => [name, 0])),
  )
})

test('an unreadable message makes no series of its own', () => {
  expect(['poison', 'unreadable: {', 'result-not-found', 'of a later version'].map(deadLetterLabel)).toEqual([
    'poison',
    'unreadable',
    'result-not-found',
    'other',
  ])
})

test('what the Money API lets us do is read when somebody asks', async () => {
  const metrics = createMetrics('test')
  const status = { breaker: 'closed', credentialsRefused: false, rateLimited: false }
  exposeMoneyStatus(
    metrics,
    () => status as never,
    () => 17,
  )
  const told = { promostream_money_call_limit: 17 }
  expect(await seriesOf(metrics)).toEqual({
    ...told,
    promostream_money_breaker_state: 0,
    promostream_money_credentials_refused: 0,
    promostream_money_rate_limited: 0,
  })
  Object.assign(status, { breaker: 'half-open', credentialsRefused: true })
  expect(await seriesOf(metrics)).toEqual({
    ...told,
    promostream_money_breaker_state: 1,
    promostream_money_credentials_refused: 1,
    promostream_money_rate_limited: 0,
  })
  Object.assign(status, { breaker: 'open', rateLimited: true })
  expect(await seriesOf(metrics)).toMatchObject({
    promostream_money_breaker_state: 2,
    promostream_money_rate_limited: 1,
  })
})

test('a process without a limit that it finds out itself does not tell one', async () => {
  const metrics = createMetrics('test')
  exposeMoneyStatus(metrics, () => ({ breaker: 'closed', credentialsRefused: false, rateLimited: false }) as never)
  expect(Object.keys(await seriesOf(metrics))).not.toContain('promostream_money_call_limit')
})

test('loops by name with their age in seconds; slots and what is in them over all promotions', async () => {
  const metrics = createMetrics('test')
  registerLoopMetrics(metrics, [
    { name: 'upkeep', ageMs: 1500 },
    { name: 'started', ageMs: 20 },
  ])
  const workers = [
    { inFlight: 3, concurrency: 8 },
    { inFlight: 4, concurrency: 16 },
  ]
  registerConsumerMetrics(metrics, { contexts: workers.map(worker => ({ worker })) as never })
  expect(await seriesOf(metrics)).toEqual({
    'promostream_poll_age_seconds{loop="upkeep"}': 1.5,
    'promostream_poll_age_seconds{loop="started"}': 0.02,
    promostream_in_flight: 7,
    promostream_slots: 24,
  })
})
