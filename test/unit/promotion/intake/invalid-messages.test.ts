import { expect, test } from '@jest/globals'
import type { EventProviderService, KafkaEvent } from '#kafka/event-provider.ts'
import { InvalidMessageReporter, MAX_VALUE_BYTES } from '#promotion/intake/invalid-messages.ts'

const ORIGIN = { topic: 'gifts', partition: 3, offset: '9007199254740993' }

async function report(value: Buffer | null, reason = 'not JSON') {
  const events: KafkaEvent[] = []
  const publish = async (event: KafkaEvent) => void events.push(event)
  await new InvalidMessageReporter({ publish } as EventProviderService, 'invalid').report({ ...ORIGIN, value }, reason)
  const [event] = events as [KafkaEvent]
  return { event, record: JSON.parse(event.value) as Record<string, unknown> }
}

test('an invalid message is kept with its place, exact to the digit, its reason, and its bytes as they were', async () => {
  const { event, record } = await report(Buffer.from([0xff, 0x00, 0x7b]))
  expect(event).toMatchObject({ topic: 'invalid', key: 'gifts-3-9007199254740993' })
  expect(record).toEqual({
    ...ORIGIN,
    reason: 'not JSON',
    valueBase64: Buffer.from([0xff, 0x00, 0x7b]).toString('base64'),
  })
})

test('a record without a value is kept as an empty one', async () => {
  expect((await report(null)).record).toMatchObject({ valueBase64: '' })
})

test('a huge value and a long reason are cut, so that Kafka takes the record', async () => {
  const { record } = await report(Buffer.alloc(MAX_VALUE_BYTES + 1, 'a'), 'x'.repeat(100_000))
  expect(Buffer.from(String(record.valueBase64), 'base64')).toEqual(Buffer.alloc(MAX_VALUE_BYTES, 'a'))
  expect(record.reason).toBe('x'.repeat(500))
})

test('it is not reported before Kafka has it', async () => {
  const publish = async () => Promise.reject(new Error('kafka is away'))
  const reporter = new InvalidMessageReporter({ publish } as unknown as EventProviderService, 'invalid')
  await expect(reporter.report({ ...ORIGIN, value: null }, 'not JSON')).rejects.toThrow('kafka is away')
})
