import type { Admin, RetryOptions } from 'kafkajs'
import { CodedError } from '#runtime/errors.ts'
import { type Service, service } from '#runtime/service.ts'
import type { KafkaClient } from './client.ts'

/** One admin connection for questions that are asked again and again. */
export interface KeptAdmin extends Service {
  /** Rejects when Kafka does not answer, and after the stop: who asks late would open a connection that nobody closes. */
  ask<T>(question: (admin: Admin) => Promise<T>): Promise<T>
}

/** Does not connect before it is asked; a client that failed is replaced. */
export function createKeptAdmin(name: string, kafka: Pick<KafkaClient, 'admin'>, retry: RetryOptions): KeptAdmin {
  let client: Promise<Admin> | undefined
  let isStopped = false
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
      stop: () => {
        isStopped = true
        return close()
      },
    }),
    ask: async question => {
      if (isStopped) throw new CodedError('KAFKA_STOPPED', `${name} has stopped`)
      client ??= connect()
      try {
        return await question(await client)
      } catch (error) {
        await close()
        throw error
      }
    },
  }
}
