import { type ConnectionOptions, Queue } from 'bullmq'
import { RETRY_QUEUE_NAME, type RetryJobData } from '#queues/retry.queue.ts'
import { type Service, service } from '#runtime/service.ts'

/** BullMQ's retry queue as the board shows it; `life` ends it. */
export function openRetryQueue(connection: ConnectionOptions, prefix: string) {
  const queue = new Queue<RetryJobData>(RETRY_QUEUE_NAME, { connection, prefix })
  queue.on('error', () => undefined)
  const life: Service = service('retry-queue', { start: async () => undefined, stop: () => queue.close() })
  return { queue, life }
}
