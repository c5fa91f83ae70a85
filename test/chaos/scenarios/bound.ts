import type { DemoPromotion } from '#local/demo/gifts.ts'
import { type ChaosSystem, say, seconds } from '../../support/chaos.ts'
import type { Scenario } from '../scenario.ts'

const boundOf = (gifts: number) => Math.round(gifts / 10)
const backlogBoundOf = (gifts: number) => Math.round(gifts / 4)

/** Measured one after the other on a machine that has other work: less than this is a stream that waits for something. */
const LEAST_RATE_SHARE = 0.5

/**
 * More gifts than a stream may hold, which is a window over the rows: it never passes its bound, nothing is
 * trimmed unread, all are paid, at nearly the rate of a stream without a bound; also when the workers come after the
 * backlog. The control is a listener without the 80 % bound, which must lose entries.
 */
export const bound: Scenario = {
  about: 'four times ten times more gifts than a stream may hold; a control without the 80 % bound must lose entries',
  messages: 200_000,
  run: async ({ messages, start }) => {
    const system = await start()
    const free = await rate(system, messages, {})
    const bounded = await rate(system, messages, { REDIS_STREAM_MAX_LEN: String(boundOf(messages)) })
    const late = await backlog(system, messages, 'listener')
    const control = await backlog(system, messages, 'control')
    return {
      figures: {
        free,
        bounded,
        rateShare: Math.round((bounded.perSecond / free.perSecond) * 1000) / 1000,
        late,
        control,
      },
      checks: {
        neverOverTheBound: bounded.longest <= boundOf(messages) && late.longest <= backlogBoundOf(messages),
        nothingTrimmed: bounded.trimmed === 0 && late.trimmed === 0,
        fastEnough: bounded.perSecond >= LEAST_RATE_SHARE * free.perSecond,
        controlLosesEntries: control.trimmed > 0,
      },
    }
  },
}

/** From the first message to the last gift paid, with the longest stream that was seen. */
async function rate(system: ChaosSystem, gifts: number, env: Record<string, string>) {
  await Promise.all([system.child('listener', env), system.child('worker', env), system.child('worker', env)])
  const promotion = await system.plan(gifts)
  await system.run(promotion)
  const watch = watchLength(system, promotion)
  const startedAt = performance.now()
  await Promise.all([system.publish(promotion), system.drain([promotion])])
  const perSecond = Math.round(gifts / seconds(startedAt))
  const seen = await watch.stop()
  await system.stopChildren()
  say(`${JSON.stringify(env)}: ${perSecond}/s, longest ${seen.longest}`)
  return { perSecond, ...seen }
}

/** Everything is published before any worker is there. */
async function backlog(system: ChaosSystem, gifts: number, kind: 'listener' | 'control') {
  const env = { REDIS_STREAM_MAX_LEN: String(backlogBoundOf(gifts)) }
  const boundless = { ...env, PROMOSTREAM_PLANT: 'no-80-percent-bound' }
  const listener = await (kind === 'control'
    ? system.child('listener', boundless, '../chaos/build/listener.ts')
    : system.child('listener', env))
  const promotion = await system.plan(gifts)
  await system.run(promotion)
  const watch = watchLength(system, promotion)
  await system.publish(promotion)
  await system.until('all rows', async () => (await system.rows(promotion)) === gifts, 300_000)
  const before = await system.redis.xlen(system.streamKey(promotion))
  const trimmed = (await system.entriesAdded(promotion)) - before
  await Promise.all([system.child('worker', env), system.child('worker', env)])
  const drainSeconds = await system.drain([promotion])
  const seen = await watch.stop()
  await system.stopChildren()
  await listener.ended
  say(`${kind}: ${trimmed} trimmed unread, drained in ${drainSeconds} s`)
  return {
    onStream: before,
    drainSeconds,
    longest: seen.longest,
    trimmed: trimmed + (kind === 'control' ? 0 : seen.trimmed),
  }
}

/**
 * Samples the length, and at the end what was lost. An entry that was trimmed unread leaves its row without one, and only
 * a search for lost entries brings it back: so what was put back is what was lost.
 */
function watchLength(system: ChaosSystem, promotion: DemoPromotion) {
  let [longest, samples] = [0, 0]
  const requeuedBefore = system.requeued()
  const timer = setInterval(async () => {
    const length = await system.redis.xlen(system.streamKey(promotion))
    longest = Math.max(longest, length)
    samples += 1
  }, 10)
  return {
    stop: async () => {
      clearInterval(timer)
      return { longest, samples, trimmed: system.requeued() - requeuedBefore }
    },
  }
}
