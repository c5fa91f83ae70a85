import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { retryBatchHandler } from '#listeners/retry-listener.ts'
import { handlePromotionStarted, type StartedDeps } from '#promotion/consumers/started.ts'
import { extendMessage, parseMessage, targetIdOf } from '#promotion/intake/gift-message.ts'
import { GIFT_TYPES, PROMOTION_TYPES } from '#queues/gift-types.ts'
import { createLogger } from '#runtime/logger.ts'
import { createRetryer } from '#runtime/retryer.ts'
import { FUZZ_LIMIT_MS, fuzz, recordLike } from '#test/support/fuzz.ts'

const logger = createLogger('test', 'silent')
const ID = /^[1-9]\d{0,18}$/
const ids = ['promotionId', 'promotionSummaryId', 'memberId', 'amount']

test.each(PROMOTION_TYPES)(
  'a %s gift message is read or refused with one line, and what was read can be extended',
  type => {
    const { message: schema, targetField: field } = GIFT_TYPES[type]
    fc.assert(
      fc.property(recordLike([...ids, field], { partitionKey: fc.string({ unit: 'binary' }) }), json => {
        const parsed = parseMessage(schema, json)
        if (!parsed.ok) return expect(parsed.reason.split('\n')).toHaveLength(1)
        for (const name of [...ids, field]) expect((parsed.message as Record<string, string>)[name]).toMatch(ID)
        expect(targetIdOf(type, json)).toBe((parsed.message as Record<string, string>)[field])
        expect(parseMessage(schema, extendMessage(json, {}, { attempt: 1 }))).toMatchObject({ ok: true })
      }),
      fuzz,
    )
  },
  FUZZ_LIMIT_MS,
)

test(
  'a retry record becomes one job with exact ids, or goes to the invalid topic; none stops its batch',
  async () => {
    let jobs = 0
    let invalid = 0
    const listener = retryBatchHandler('VOUCHER', {
      retryJobs: {
        add: async added => {
          jobs += added.length
          for (const { data, attempts } of added) {
            expect([data.promotionId, data.targetId]).toEqual([expect.stringMatching(ID), expect.stringMatching(ID)])
            expect(Number.isSafeInteger(attempts) && attempts >= 1).toBe(true)
            expect(Number.isSafeInteger(data.notBefore ?? 0)).toBe(true)
          }
        },
      },
      invalidMessages: {
        report: async () => {
          invalid += 1
        },
      } as never,
      retryer: createRetryer({ maxRetries: 0, initialDelayMs: 1, maxDelayMs: 1 }),
      logger,
    })
    const value = fc.oneof(
      fc.constant(null),
      fc.uint8Array().map(bytes => Buffer.from(bytes)),
      recordLike(['promotionId', 'voucherTargetId', 'attempt', 'notBefore']).map(json => Buffer.from(json)),
    )
    await fc.assert(
      fc.asyncProperty(value, async bytes => {
        const before = jobs + invalid
        await listener([{ topic: 't', partition: 0, offset: '1', value: bytes } as never], new AbortController().signal)
        expect(jobs + invalid).toBe(before + 1)
      }),
      fuzz,
    )
    expect(jobs).toBeGreaterThan(0)
    expect(invalid).toBeGreaterThan(0)
  },
  FUZZ_LIMIT_MS,
)

test(
  'a started record never rejects while the database answers',
  async () => {
    let refused = 0
    const deps = {
      promotions: { find: async () => undefined },
      metrics: { startedEventErrors: { inc: () => (refused += 1) } },
      logger,
    } as unknown as StartedDeps
    const type = fc.oneof(fc.constantFrom('VOUCHER', 'POINT', 'toString'), fc.jsonValue())
    let sent = 0
    await fc.assert(
      fc.asyncProperty(recordLike(['promotionId', 'totalCount'], { type }), async json => {
        await handlePromotionStarted(json, deps)
        sent += 1
        expect(refused).toBe(sent)
      }),
      fuzz,
    )
  },
  FUZZ_LIMIT_MS,
)
