import '#runtime/node-version.cjs'
import { giftTopicsOf } from '#config/gift-topics.ts'
import { workerSchema } from '#config/schemas.ts'
import { createInstanceReporter } from '#promotion/consumers/instances.ts'
import { registerConsumerMetrics } from '#promotion/worker-metrics.ts'
import { topicsOf } from './connections.ts'
import { giftPartsOf } from './gift-parts.ts'
import { giftHealthOf } from './health.ts'
import { runProcess } from './run-process.ts'
import { blockTogether, consumersOf, retriesOf, startedConsumersOf, upkeepOf, workerLoopsOf } from './worker-parts.ts'

/** Stream → Money API → result row → ack; retries; upkeep; started events. Scales with load. */
await runProcess('worker', workerSchema, async (config, life) => {
  const parts = await giftPartsOf('worker', config, life.logger)
  const money = parts.money()
  const consumers = consumersOf(config, parts)
  const retries = retriesOf(config, parts)
  const upkeep = upkeepOf(config, parts, { ...consumers, ...retries })
  const instance = createInstanceReporter({
    redis: money.cache,
    registry: consumers.registry,
    money: money.status,
    callsOf: promotionId => money.calls.summaryOf(promotionId),
    slotsMax: config.WORKER_MAX_IN_FLIGHT,
    logger: life.logger,
  })
  const started = startedConsumersOf(config, parts, {
    statusFollower: consumers.statusFollower,
    onAnswered: instance.startedEvent,
    onFatal: life.fatal,
  })
  blockTogether(money.gate, consumers.registry, retries.retryWorker)
  registerConsumerMetrics(parts.metrics(), consumers.registry)
  const topics = [
    config.KAFKA_TOPIC_STARTED,
    ...Object.values(giftTopicsOf(config)).map(topicsOfType => topicsOfType.retries.topic),
    config.KAFKA_TOPIC_COMPLETED,
  ]
  const health = giftHealthOf(parts, {
    ...{ ...life, config },
    loops: workerLoopsOf(config, parts, { pool: consumers.pool, upkeep, retryWorker: retries.retryWorker, started }),
    port: config.WORKER_PORT,
    portSetting: 'WORKER_PORT',
  })
  // Started from top to bottom, stopped from bottom to top.
  return [
    ...health.probes,
    parts.redis().service,
    parts.database,
    parts.stream().service,
    ...parts.payment,
    parts.events(),
    parts.redisOwner(life.fatal),
    topicsOf(config, parts.kafka(), topics),
    consumers.service,
    parts.retryJobs(),
    retries.retryWorker,
    upkeep,
    ...started,
    instance,
    money.gate.waiting,
    ...health.watches,
  ]
})
