import { parseArgs } from 'node:util'
import type { CodedError } from '#runtime/errors.ts'
import { ChaosSystem, say, topicOf } from '../support/chaos.ts'

/**
 * Kills a listener between insert and XADD, again and again, while two workers pay: every row is paid, once.
 * `node test/chaos/insert-kills.ts --kills 200 --gifts 50` (gifts published before each kill)
 */
const { values } = parseArgs({
  options: { kills: { type: 'string', default: '200' }, gifts: { type: 'string', default: '50' } },
})
const [kills, giftsAKill] = [Number(values.kills), Number(values.gifts)]

const system = await ChaosSystem.start()
await Promise.all([system.child('worker'), system.child('worker')])

let group = 'chaos-0'
let killed = 0
for (let kill = 1; kill <= kills; kill++) {
  const promotion = await system.plan(giftsAKill, kill % 2 === 0 ? 'VOUCHER' : 'POINT')
  await system.run(promotion)
  await system.publish(promotion)
  const killAt = 1 + Math.floor(Math.random() * giftsAKill)
  const env = { KAFKA_GROUP_ID: group, CHAOS_KILL_AT: String(killAt) }
  const end = await system.child('listener', env, './doomed-listener.ts').then(
    child => child.ended,
    error => {
      // It met its gift before anyone saw that it was ready.
      if ((error as CodedError).code === 'CHILD_ENDED') return 'SIGKILL' as const
      throw error
    },
  )
  if (end === 'SIGKILL') killed += 1
  group = await nextGroup(kill)
  if (kill % 10 === 0) say(`kill ${kill}/${kills}`)
}
await system.child('listener', { KAFKA_GROUP_ID: group })
const drainedSeconds = await system.drain()
const requeued = system.requeued()
await system.close(
  'insert-kills',
  { kills: killed, requeued, drainedSeconds },
  { everyKillMet: killed === kills, rowsWereLeft: requeued >= killed, drained: drainedSeconds <= 120 },
)

/** A group of its own that goes on where the killed listener's stood: Kafka waits 15 s for a member that never comes back. */
async function nextGroup(kill: number): Promise<string> {
  const next = `chaos-${kill}`
  const admin = system.kafka.admin()
  await admin.connect()
  const kinds = ['voucher', 'point', 'voucher-retry', 'point-retry']
  await Promise.all(
    kinds.map(async kind => {
      const topic = topicOf(kind)
      const [committed] = await admin.fetchOffsets({ groupId: `${group}-${kind}`, topics: [topic] })
      const known = committed?.partitions.filter(({ offset }) => offset !== '-1') ?? []
      const offsets = known.map(({ partition, offset }) => ({ topic, partition, offset }))
      if (offsets.length > 0) await commit(`${next}-${kind}`, topic, offsets)
    }),
  )
  await admin.disconnect()
  return next
}

/** As `admin.setOffsets`, which waits for a fetch of five seconds. */
async function commit(groupId: string, topic: string, offsets: { topic: string; partition: number; offset: string }[]) {
  const consumer = system.kafka.consumer({ groupId, maxWaitTimeInMs: 20 })
  const joined = new Promise(resolve => consumer.on(consumer.events.GROUP_JOIN, resolve))
  await consumer.connect()
  await consumer.subscribe({ topic })
  await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: async () => undefined })
  await joined
  await consumer.commitOffsets(offsets)
  await consumer.disconnect()
}
