import { expect, test } from '@jest/globals'
import kafkajs from 'kafkajs'
import { fetchCommitted, fetchRanges } from '#kafka/topic-reader.ts'

const refusal = (type: string, retriable: boolean) =>
  new kafkajs.KafkaJSProtocolError(Object.assign(new Error(type), { type, code: 1, retriable }))

/** Its brokers answer so, one after the other, and then that offset 7 of 9 is committed. */
function kafkaThatSays(...refusals: Error[]) {
  let asked = 0
  const answer = <T>(said: T): T => {
    const refused = refusals[asked++]
    if (refused !== undefined) throw refused
    return said
  }
  const admin = {
    connect: async () => undefined,
    disconnect: async () => undefined,
    listTopics: async () => ['t'],
    fetchOffsets: async () => answer([{ topic: 't', partitions: [{ partition: 0, offset: '7' }] }]),
    fetchTopicOffsets: async () => answer([{ partition: 0, low: '0', high: '9' }]),
  }
  return { kafka: { admin: () => admin } as never, asked: () => asked }
}

test('a coordinator that reads its log, or has moved, is asked again', async () => {
  const { kafka, asked } = kafkaThatSays(
    refusal('GROUP_LOAD_IN_PROGRESS', true),
    refusal('NOT_COORDINATOR_FOR_GROUP', true),
  )
  expect(await fetchCommitted(kafka, 'g', 't')).toEqual(new Map([[0, 7n]]))
  expect(asked()).toBe(3)
})

test('a partition whose leader is being elected is asked again', async () => {
  const { kafka, asked } = kafkaThatSays(refusal('LEADER_NOT_AVAILABLE', true))
  expect(await fetchRanges(kafka, ['t'])).toEqual(new Map([['t', [{ partition: 0, low: 0n, high: 9n }]]]))
  expect(asked()).toBe(2)
})

test('what will not pass is told at once', async () => {
  const { kafka, asked } = kafkaThatSays(refusal('GROUP_AUTHORIZATION_FAILED', false))
  await expect(fetchCommitted(kafka, 'g', 't')).rejects.toMatchObject({ code: 'KAFKA_UNREACHABLE' })
  expect(asked()).toBe(1)
})
