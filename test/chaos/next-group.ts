import { type ChaosSystem, topicOf } from '../support/chaos.ts'

/** A group of its own that goes on where the killed listener's stood: Kafka waits 15 s for a member that never comes back. */
export async function nextGroup(system: ChaosSystem, group: string, next: string): Promise<string> {
  const admin = system.kafka.admin()
  await admin.connect()
  const kinds = ['voucher', 'point', 'voucher-retry', 'point-retry']
  await Promise.all(
    kinds.map(async kind => {
      const topic = topicOf(kind)
      const [committed] = await admin.fetchOffsets({ groupId: `${group}-${kind}`, topics: [topic] })
      const known = committed?.partitions.filter(({ offset }) => offset !== '-1') ?? []
      const offsets = known.map(({ partition, offset }) => ({ topic, partition, offset }))
      if (offsets.length > 0) await commit(system, `${next}-${kind}`, topic, offsets)
    }),
  )
  await admin.disconnect()
  return next
}

/** As `admin.setOffsets`, which waits for a fetch of five seconds. */
async function commit(
  system: ChaosSystem,
  groupId: string,
  topic: string,
  offsets: { topic: string; partition: number; offset: string }[],
) {
  const consumer = system.kafka.consumer({ groupId, maxWaitTimeInMs: 20 })
  const joined = new Promise(resolve => consumer.on(consumer.events.GROUP_JOIN, resolve))
  await consumer.connect()
  await consumer.subscribe({ topic })
  await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: async () => undefined })
  await joined
  await consumer.commitOffsets(offsets)
  await consumer.disconnect()
}
