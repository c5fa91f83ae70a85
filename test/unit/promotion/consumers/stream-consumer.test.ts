import { describe, expect, jest, test } from '@jest/globals'
import { PromotionStreamConsumer } from '#promotion/consumers/stream-consumer.ts'
import { deadLetterLabel } from '#promotion/metrics.ts'
import { createLogger } from '#runtime/logger.ts'
import { deadLetter, type Outcome, retryLater } from '#stream/index.ts'

const entryOf = (deliveries: number) =>
  ({ id: '1-0', stream: 's', fields: { key: 'k', message: '{"a":1}' }, deliveries }) as never

function consumerOf(processStreamMessage: (json: string) => Promise<Outcome | undefined>) {
  const onDead = jest.fn<(reason: string) => void>()
  const onDelivery = jest.fn<(isRepeated: boolean) => void>()
  const markPoison = jest.fn(async () => undefined)
  const consumer = new PromotionStreamConsumer({
    processor: { processStreamMessage, markPoison },
    logger: createLogger('test', 'silent'),
    onDead,
    onDelivery,
  })
  const onMessage = (deliveries = 1) => consumer.onMessage(entryOf(deliveries), new AbortController().signal)
  return { onMessage, consumer, onDead, onDelivery, markPoison }
}

describe('PromotionStreamConsumer (planning documents, 5.6.2)', () => {
  test('5.6.2 #1: onMessage calls processStreamMessage with the JSON', async () => {
    const process = jest.fn<(json: string) => Promise<Outcome | undefined>>(async () => undefined)
    await consumerOf(process).onMessage()
    expect(process.mock.calls[0]?.[0]).toBe('{"a":1}')
  })

  test('5.6.2 #2: success acknowledges', async () => {
    expect(await consumerOf(async () => undefined).onMessage()).toBeUndefined()
  })

  test('5.6.2 #3: failure does not acknowledge, the entry stays pending', async () => {
    const { onMessage } = consumerOf(async () => {
      throw new Error('database is away')
    })
    expect(await onMessage()).toMatchObject({ kind: 'retry-later', reason: 'database is away' })
  })

  test('what cannot be done now comes again', async () => {
    const { onMessage } = consumerOf(async () => retryLater({ reason: 'paused', delayMs: 1000 }))
    expect(await onMessage()).toMatchObject({ kind: 'retry-later', delayMs: 1000 })
  })

  test('what can never be done is a dead letter and an alarm', async () => {
    const { onMessage, onDead } = consumerOf(async () => deadLetter('result-not-found'))
    expect(await onMessage()).toMatchObject({ kind: 'dead-letter', reason: 'result-not-found' })
    expect(onDead).toHaveBeenCalledWith('result-not-found')
  })

  test('what failed for no fault of its own waits for half a second to a second, each for its own time', async () => {
    const { onMessage } = consumerOf(async () => {
      throw new Error('database is away')
    })
    const delays: number[] = []
    for (let entry = 0; entry < 50; entry++)
      delays.push(((await onMessage()) as unknown as { delayMs: number }).delayMs)
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(500)
    expect(Math.max(...delays)).toBeLessThanOrEqual(1000)
    expect(new Set(delays).size).toBeGreaterThan(1)
  })

  test('each delivery is told, and whether it is the first', async () => {
    const { onMessage, onDelivery, onDead } = consumerOf(async () => undefined)
    await onMessage(1)
    await onMessage(2)
    expect(onDelivery.mock.calls).toEqual([[false], [true]])
    expect(onDead).not.toHaveBeenCalled()
  })

  test('a poisoned entry is marked before it is told, and not told when it could not be marked', async () => {
    const { consumer, onDead, markPoison } = consumerOf(async () => undefined)
    await consumer.onPoison(entryOf(6))
    expect(markPoison.mock.calls).toEqual([['{"a":1}', 6]])
    expect(onDead.mock.calls).toEqual([['poison']])
    markPoison.mockRejectedValueOnce(new Error('database is away'))
    await expect(consumer.onPoison(entryOf(6))).rejects.toThrow('database is away')
    expect(onDead).toHaveBeenCalledTimes(1)
  })

  test('its reason is a label of a known few, whatever the message says', () => {
    const reasons = ['unreadable: not JSON: 123 is odd', 'result-not-found', 'poison', 'whatever']
    expect(reasons.map(deadLetterLabel)).toEqual(['unreadable', 'result-not-found', 'poison', 'other'])
  })
})
