import { expect, test } from '@jest/globals'
import { campaignPromotionStartedListener } from '#listeners/campaign-listeners.ts'
import { createLogger } from '#runtime/logger.ts'
import { createRetryer } from '#runtime/retryer.ts'

/** A listener whose database fails so often before it answers, and what came of the events. */
function startedListener(failures = 0) {
  const told = { started: [] as string[], refused: [] as string[] }
  let left = failures
  const listener = campaignPromotionStartedListener({
    promotions: {
      isNewerThan: async () => false,
      find: async () => {
        if (left-- > 0) throw new Error('PostgreSQL is away')
        return { type: 'POINT' }
      },
      start: async (promotionId: string) => void told.started.push(promotionId),
    },
    statusFollower: {},
    metrics: { startedEventErrors: { inc: ({ reason }: { reason: string }) => void told.refused.push(reason) } },
    retryer: createRetryer({ maxRetries: 4, initialDelayMs: 1, maxDelayMs: 2 }),
    logger: createLogger('test', 'silent'),
  } as never)
  const hear = (...values: (string | Buffer | null)[]) =>
    listener(
      values.map(value => ({ value: value === null ? null : Buffer.from(value) })) as never,
      new AbortController().signal,
    )
  return { told, hear }
}

const event = (promotionId: string) => JSON.stringify({ promotionId, totalCount: 1, type: 'POINT' })

test('every started event of a batch is carried out before the batch is done', async () => {
  const { told, hear } = startedListener()
  await hear(event('9007199254740993'), event('2'))
  expect(told).toEqual({ started: ['9007199254740993', '2'], refused: [] })
})

test('one that the database does not answer is carried out once it does', async () => {
  const { told, hear } = startedListener(3)
  await hear(event('1'))
  expect(told).toEqual({ started: ['1'], refused: [] })
})

test('what is no text is refused, and stops none of the others', async () => {
  const { told, hear } = startedListener()
  await hear(null, Buffer.from([0xff]), event('1'))
  expect(told).toEqual({ started: ['1'], refused: ['invalid', 'invalid'] })
})
