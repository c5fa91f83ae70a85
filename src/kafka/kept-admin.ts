import type { Admin, RetryOptions } from 'kafkajs'
import { CodedError } from '#runtime/errors.ts'
import { type Service, service } from '#runtime/service.ts'
import { untilAborted } from '#runtime/within.ts'
import type { KafkaClient } from './client.ts'

/** One admin connection for questions that are asked again and again. */
export interface KeptAdmin extends Service {
  /** Rejects when Kafka does not answer, and after the stop: who asks late would open a connection that nobody closes. */
  ask<T>(question: (admin: Admin) => Promise<T>): Promise<T>
}

/** So long a stop waits for questions in flight, in ms. */
const STOP_PATIENCE_MS = 5000

/** Does not connect before it is asked; a client that failed is replaced. */
export function createKeptAdmin(name: string, kafka: Pick<KafkaClient, 'admin'>, retry: RetryOptions): KeptAdmin {
  let client: Promise<Admin> | undefined
  let isStopped = false
  const asking = new Set<Promise<unknown>>()
  const connect = async () => {
    const admin = kafka.admin({ retry })
    await admin.connect()
    return admin
  }
  const close = async () => {
    const closing = client
    client = undefined
    await closing?.then(admin => admin.disconnect()).catch(() => undefined)
  }
  return {
    ...service(name, {
      start: async () => undefined,
      // A client of kafkajs that is asked after its disconnect connects again: what is in flight ends first.
      stop: async deadline => {
        isStopped = true
        const answered = Promise.allSettled(asking).then(() => undefined)
        await untilAborted(answered, { signal: deadline, graceMs: 0, limitMs: STOP_PATIENCE_MS }, () => undefined)
        await close()
      },
    }),
    ask: async question => {
      if (isStopped) throw new CodedError('KAFKA_STOPPED', `${name} has stopped`)
      client ??= connect()
      const answer = client.then(question)
      asking.add(answer)
      try {
        return await answer
      } catch (error) {
        await close()
        throw error
      } finally {
        asking.delete(answer)
      }
    },
  }
}
