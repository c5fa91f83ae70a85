import type { Kafka } from 'kafkajs'
import { toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'

/** Removes the group of a process that ends. Never rejects: a group that stays behind is litter, no harm. */
export async function deletePrivateGroup(kafka: Kafka, groupId: string, logger: Logger): Promise<void> {
  const admin = kafka.admin({ retry: { retries: 2 } })
  try {
    await admin.connect()
    await admin.deleteGroups([groupId])
  } catch (error) {
    logger.debug({ err: toError(error) }, 'the private consumer group stays behind')
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}
