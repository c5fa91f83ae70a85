import { describe, expect, jest, test } from '@jest/globals'
import type { TopicMessage } from '#kafka/topic-message.ts'
import { giftBatchHandler } from '#listeners/gift-listener.ts'
import { createMessageConservation } from '#promotion/intake/conservation.ts'
import type { DoStep, TopicOutcome } from '#promotion/intake/gift-intake.ts'
import { createPromotionMetrics } from '#promotion/metrics.ts'
import { createLogger, type Logger } from '#runtime/logger.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { createRetryer } from '#runtime/retryer.ts'

/** A listener whose processor answers each message by its text. */
function listenerOf(process: (json: string, doStep: DoStep) => Promise<TopicOutcome>) {
  const metrics = createMetrics('test')
  const error = jest.fn()
  const logger = { ...createLogger('test', 'silent'), error, warn: () => undefined } as unknown as Logger
  const handle = giftBatchHandler('VOUCHER', {
    processor: {
      processTopicMessages: (messages, doStep) => Promise.all(messages.map(({ json }) => process(json, doStep))),
    },
    invalidMessages: { report: async () => undefined } as never,
    conservation: createMessageConservation({ metrics, counters: createPromotionMetrics(metrics), logger }),
    retryer: createRetryer({ maxRetries: 2, initialDelayMs: 1, maxDelayMs: 1, onRetry: () => undefined }),
    logger,
  })
  const consume = (...values: (string | null)[]) =>
    handle(
      values.map((value, index): TopicMessage => {
        const bytes = value === null ? null : Buffer.from(value)
        return { topic: 't', partition: 0, offset: String(index), key: null, value: bytes }
      }),
      new AbortController().signal,
    )
  const counted = async () => {
    const lines = (await metrics.registry.metrics()).split('\n').filter(line => /^promostream_[a-z_]+/.test(line))
    const named = lines.map(line => [
      /outcome="(\w+)"/.exec(line)?.[1] ?? line.split('{')[0],
      Number(line.split(' ')[1]),
    ])
    return Object.fromEntries(named) as Record<string, number>
  }
  return { consume, counted, error }
}

describe('conservation in the listener: messages = inserted + duplicate + skipped + invalid', () => {
  test('a settled batch is on both sides, and no alarm is raised', async () => {
    const { consume, counted, error } = listenerOf(async json => json as TopicOutcome)
    await consume('inserted', 'inserted', 'duplicate', 'skipped', 'invalid', null)
    expect(await counted()).toMatchObject({
      promostream_messages_total: 6,
      ...{ inserted: 2, duplicate: 1, skipped: 1, invalid: 2 },
      promostream_unaccounted_messages: 0,
    })
    expect(error).not.toHaveBeenCalled()
  })

  test('a gift that stopped between its row and its entry is counted once, as inserted', async () => {
    let tries = 0
    const { consume, counted, error } = listenerOf(async (_json, doStep) => {
      const saved = await doStep(async () => 'inserted' as const)
      await doStep(async () => {
        tries += 1
        if (tries < 5) throw new Error('Redis is away')
      })
      return saved
    })
    await consume('{}')
    expect(await counted()).toMatchObject({ promostream_messages_total: 1, inserted: 1 })
    expect(error).not.toHaveBeenCalled()
  })

  test('a batch under way is on neither side', async () => {
    const gate = Promise.withResolvers<TopicOutcome>()
    const { consume, counted } = listenerOf(json => (json === 'wait' ? gate.promise : Promise.resolve('inserted')))
    const consuming = consume('a', 'wait')
    expect(await counted()).not.toHaveProperty('inserted')
    gate.resolve('duplicate')
    await consuming
    expect(await counted()).toMatchObject({ promostream_messages_total: 2, inserted: 1, duplicate: 1 })
  })

  test('planted bug: a message that becomes nothing raises the alarm, with the numbers', async () => {
    const { consume, counted, error } = listenerOf(async json =>
      json === 'swallowed' ? (undefined as never) : 'inserted',
    )
    await consume('a', 'swallowed', 'b')
    expect(error).toHaveBeenCalledTimes(1)
    expect(error.mock.calls[0]).toEqual([
      { type: 'VOUCHER', consumed: 3, inserted: 2, duplicate: 0, skipped: 0, invalid: 0, unaccounted: 1 },
      'conservation broken: 3 VOUCHER messages consumed, 2 accounted for',
    ])
    await consume('c')
    expect(await counted()).toMatchObject({ promostream_messages_total: 4, promostream_unaccounted_messages: 1 })
    expect(error).toHaveBeenCalledTimes(1)
  })
})
