import type { Kafka, Producer, TopicMessages } from 'kafkajs'
import { Batcher } from '#runtime/batcher.ts'
import { type Service, service } from '#runtime/service.ts'
import { kafkaUnreachable } from './refusal.ts'

export interface KafkaEvent {
  topic: string
  key: string
  /** JSON, or whatever the topic's readers expect. */
  value: string
  headers?: Record<string, string>
}

/** The planning documents' `EventProviderService`: at least once, `acks=all`. */
export interface EventProviderService extends Service {
  /** Resolves when every in-sync replica has it. Rejects with kafkajs's error when it could not be delivered. */
  publish(event: KafkaEvent): Promise<void>
}

export function createEventProvider(kafka: Kafka): EventProviderService {
  const producer: Producer = kafka.producer({ allowAutoTopicCreation: false })
  const sends = new Batcher<KafkaEvent, undefined>({
    maxSize: 1000,
    maxConcurrent: 4,
    paceMs: 2,
    isItemError: isTooLarge,
    run: async events => {
      await producer.sendBatch({ acks: -1, topicMessages: byTopic(events) })
      return events.map(() => undefined)
    },
  })
  return {
    ...service('event-provider', { start: () => connect(producer), stop: () => producer.disconnect() }),
    publish: event => sends.add(event),
  }
}

async function connect(producer: Producer): Promise<void> {
  try {
    await producer.connect()
  } catch (cause) {
    throw kafkaUnreachable(cause)
  }
}

/** The broker takes no batch with it in; kafkajs says so by the protocol's name for it. */
export function isTooLarge(error: Error & { type?: unknown }): boolean {
  return error.type === 'MESSAGE_TOO_LARGE' || error.type === 'RECORD_LIST_TOO_LARGE'
}

function byTopic(events: readonly KafkaEvent[]): TopicMessages[] {
  return [...Map.groupBy(events, event => event.topic)].map(([topic, group]) => ({
    topic,
    messages: group.map(({ key, value, headers }) => ({ key, value, ...(headers === undefined ? {} : { headers }) })),
  }))
}
