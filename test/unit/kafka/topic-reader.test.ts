import { expect, test } from '@jest/globals'
import kafkajs from 'kafkajs'
import { fetchCommitted } from '#kafka/topic-reader.ts'

const refusal = (type: string, retriable: boolean) =>
  new kafkajs.KafkaJSProtocolError(Object.assign(new Error(type), { type, code: 1, retriable }))

/** Its coordinator answers so, one after the other, and then that offset 7 is committed. */
function kafkaThatSays(...refusals: Error[]) {
  let asked = 0
  const admin = {
    connect: async () => undefined,
    disconnect: async () => undefined,
    fetchOffsets: async () => {
      const refused = refusals[asked++]
      if (refused !== undefined) throw refused
      return [{ topic: 't', partitions: [{ partition: 0, offset: '7' }] }]
    },
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

test('what will not pass is told at once', async () => {
  const { kafka, asked } = kafkaThatSays(refusal('GROUP_AUTHORIZATION_FAILED', false))
  await expect(fetchCommitted(kafka, 'g', 't')).rejects.toMatchObject({ code: 'KAFKA_UNREACHABLE' })
  expect(asked()).toBe(1)
})
