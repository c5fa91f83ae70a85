import { expect, test } from '@jest/globals'
import { type GiftListenerDeps, giftBatchHandler } from '#listeners/gift-listener.ts'
import { createLogger } from '#runtime/logger.ts'
import { createRetryer } from '#runtime/retryer.ts'

const message = (offset: number, value: Buffer | null) =>
  ({ topic: 't', partition: 0, offset: String(offset), key: null, value, headers: {} }) as never

/** A listener that keeps what it was told. */
function listenerOf(reportFails = 0) {
  const told = { taken: [] as string[], invalid: [] as [string, string][], settled: [] as unknown[], progress: 0 }
  let failures = reportFails
  const deps = {
    processor: {
      processTopicMessages: async (messages: readonly { json: string }[], _doStep: unknown, onProgress: () => void) => {
        for (const { json } of messages) told.taken.push(json)
        onProgress()
        return messages.map(() => 'inserted' as const)
      },
    },
    invalidMessages: {
      report: async ({ offset }: { offset: string }, reason: string) => {
        if (failures-- > 0) throw new Error('Kafka is away')
        told.invalid.push([offset, reason])
      },
    },
    conservation: { settled: (...args: unknown[]) => void told.settled.push(args) },
    retryer: createRetryer({ maxRetries: 4, initialDelayMs: 1, maxDelayMs: 2 }),
    logger: createLogger('test', 'silent'),
    onProgress: () => void told.progress++,
  } as unknown as GiftListenerDeps
  return { told, handle: giftBatchHandler('VOUCHER', deps) }
}

const batch = [
  message(1, Buffer.from('{"a":1}')),
  message(2, null),
  message(3, Buffer.from([0xff])),
  message(4, Buffer.from('{"b":2}')),
]

test('what is no text goes to the invalid topic with its reason, the rest to the intake, and each is counted once', async () => {
  const { told, handle } = listenerOf()
  await handle(batch, new AbortController().signal)
  expect(told).toEqual({
    taken: ['{"a":1}', '{"b":2}'],
    invalid: [
      ['2', 'no value'],
      ['3', 'not UTF-8'],
    ],
    settled: [['VOUCHER', 4, ['inserted', 'inserted', 'invalid', 'invalid']]],
    progress: 3,
  })
})

test('a message that the invalid topic does not take yet is reported again, once', async () => {
  const { told, handle } = listenerOf(1)
  await handle(batch.slice(1, 2), new AbortController().signal)
  expect([told.invalid, told.settled]).toEqual([[['2', 'no value']], [['VOUCHER', 1, ['invalid']]]])
})
