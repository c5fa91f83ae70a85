import '#runtime/node-version.cjs'
import { listenerSchema } from '#config/schemas.ts'
import { createProcessReporter } from '#promotion/consumers/process-reports.ts'
import { sharedRedisOf, topicsOf } from './connections.ts'
import { giftPartsOf } from './gift-parts.ts'
import { giftHealthOf } from './health.ts'
import { listenerLoopsOf, listenersOf } from './listener-parts.ts'
import { runProcess } from './run-process.ts'

/** What this process says of itself may come late: the next word comes a second after. */
const REPORT_MS = 1000

/** Kafka → result row → stream. Scales with Kafka partitions. */
await runProcess('listener', listenerSchema, async (config, life) => {
  const parts = await giftPartsOf('listener', config, life.logger)
  const { listeners, consumers } = listenersOf(config, parts, life.fatal)
  const shared = sharedRedisOf(config, life.logger, REPORT_MS)
  const report = createProcessReporter({ redis: shared.client, kind: 'listener', logger: life.logger })
  const topics = [...listeners.map(({ topic }) => topic), config.KAFKA_TOPIC_INVALID]
  const health = giftHealthOf(parts, {
    ...{ ...life, config },
    loops: listenerLoopsOf(config, parts, listeners),
    port: config.LISTENER_PORT,
    portSetting: 'LISTENER_PORT',
  })
  // Started from top to bottom, stopped from bottom to top.
  return [
    ...health.probes,
    parts.redis().service,
    shared.service,
    parts.database,
    parts.stream().service,
    ...parts.payment,
    parts.events(),
    parts.redisOwner(life.fatal),
    parts.retryJobs(),
    topicsOf(config, parts.kafka(), topics),
    consumers,
    report,
    parts.money().gate.waiting,
    ...health.watches,
  ]
})
