import { giftTopicsOf } from '#config/gift-topics.ts'
import type { KafkaConfig } from '#config/schemas.ts'
import {
  findBrokenCodecs,
  type GroupHealth,
  readGroupHealth,
  readTopicHealth,
  type TopicHealth,
  withFailFastAdmin,
} from '#kafka/topic-health.ts'
import { errorLine } from '#runtime/errors.ts'
import { createLogger } from '#runtime/logger.ts'
import { kafkaOf } from '../connections.ts'
import { type Finding, findingsOf } from './finding.ts'

const { ok, warning, failed, unknown } = findingsOf('kafka')

/** A day: an outage over a night and the morning after it. */
const MIN_RETENTION_MS = 86_400_000

/** Are Kafka and its topics there, does it keep messages long enough, and does somebody read them? */
export async function examineKafka(config: KafkaConfig): Promise<Finding[]> {
  const kafka = kafkaOf(config, createLogger('doctor', 'silent'))
  const topics = topicsOf(config)
  const broken = await findBrokenCodecs()
  const codecs =
    broken.length === 0
      ? ok('codecs', 'gzip, snappy, lz4 and zstd can be read')
      : failed('codecs', `cannot be read: ${broken.join(', ')}`, 'run «npm ci» on this machine')
  try {
    return await withFailFastAdmin(kafka, async admin => {
      const { brokers } = await admin.describeCluster()
      const health = await readTopicHealth(admin, topics.all)
      const groups: Finding[] = []
      for (const { groupId, topic } of topics.read) {
        if (!health.has(topic)) continue
        groups.push(...groupFindings(groupId, topic, await readGroupHealth(admin, groupId, topic)))
      }
      return [
        ok('connection', `${brokers.length} broker(s)`),
        codecs,
        ...missingFindings(topics.all, health),
        ...topics.all.flatMap(topic => topicFindings(topic, health.get(topic), topics.kept.has(topic))),
        ...groups,
      ]
    })
  } catch (error) {
    const todo = /SASL|authenticat|SSL|certificate|altnames/i.test(errorLine(error))
      ? 'correct KAFKA_SSL, KAFKA_CA_FILE and KAFKA_SASL_…'
      : 'start Kafka, or correct KAFKA_BROKERS'
    return [unknown('connection', error, todo), codecs]
  }
}

function topicsOf(config: KafkaConfig) {
  const topics = Object.values(giftTopicsOf(config))
  const read = [...topics.map(({ gifts }) => gifts), ...topics.map(({ retries }) => retries)]
  const kept = new Set([...read.map(({ topic }) => topic), config.KAFKA_TOPIC_INVALID])
  return { read, kept, all: [...new Set([...kept, config.KAFKA_TOPIC_STARTED, config.KAFKA_TOPIC_COMPLETED])] }
}

/** Before the first start there is none, and the processes make them; later one that is missing was removed. */
function missingFindings(all: readonly string[], health: ReadonlyMap<string, TopicHealth>): Finding[] {
  const missing = all.filter(topic => !health.has(topic))
  if (missing.length === 0) return [ok('topics', `all ${all.length} exist`)]
  if (missing.length === all.length)
    return [warning('topics', 'none exists yet', 'start a listener and a worker: they make them')]
  return [
    failed('topics', `missing: ${missing.join(', ')}`, 'restart the processes, which make them; who removed them?'),
  ]
}

/** `isKept`: each message of it is a gift, or tells of one. */
function topicFindings(topic: string, health: TopicHealth | undefined, isKept: boolean): Finding[] {
  if (health === undefined) return []
  const findings: Finding[] = []
  if (health.partitions === 0 || health.leaderless > 0) {
    const detail = `${topic}: ${health.leaderless} of ${health.partitions} partitions have no leader`
    findings.push(failed('partitions', detail, 'bring their brokers back'))
  }
  const needed = Number(health.settings.get('min.insync.replicas') ?? 1)
  if (health.inSync < needed) {
    const detail = `${topic}: ${health.inSync} in sync, min.insync.replicas ${needed}: messages are refused`
    findings.push(failed('replicas', detail, 'bring the other brokers back'))
  }
  return isKept ? [...findings, ...keepingFindings(topic, health.settings)] : findings
}

function keepingFindings(topic: string, settings: ReadonlyMap<string, string>): Finding[] {
  const findings: Finding[] = []
  const retentionMs = Number(settings.get('retention.ms') ?? -1)
  if (retentionMs >= 0 && retentionMs < MIN_RETENTION_MS) {
    const hours = (retentionMs / 3_600_000).toFixed(1)
    const todo = 'set retention.ms to a day or more: an outage that lasts longer loses gifts'
    findings.push(failed('retention', `${topic} keeps messages for ${hours} hours`, todo))
  }
  if (Number(settings.get('retention.bytes') ?? -1) >= 0) {
    const todo = 'set retention.bytes to -1, or be sure that a day of gifts fits'
    findings.push(warning('retention', `${topic} also deletes by size, however young a message is`, todo))
  }
  if (settings.get('cleanup.policy')?.includes('compact') === true) {
    const todo = 'set cleanup.policy to delete'
    findings.push(failed('cleanup', `${topic} is compacted: of each key only the last gift is kept`, todo))
  }
  return findings
}

function groupFindings(groupId: string, topic: string, { members, lag, deleted, beyondEnd }: GroupHealth): Finding[] {
  const findings: Finding[] = []
  if (deleted > 0n) {
    const todo = 'publish them again; raise retention.ms'
    findings.push(failed('lag', `${deleted} messages of ${topic} were deleted before ${groupId} had read them`, todo))
  }
  if (beyondEnd > 0) {
    const todo = `was the topic made again? reset the offsets of ${groupId} to the earliest`
    findings.push(failed('offsets', `${groupId} stands beyond the end of ${beyondEnd} partition(s) of ${topic}`, todo))
  }
  if (lag > 0n && members === 0)
    findings.push(failed('lag', `${lag} messages of ${topic} wait, and nobody reads them`, 'start a listener'))
  else if (findings.length === 0) findings.push(ok('lag', `${groupId}: ${lag} messages, ${members} member(s)`))
  return findings
}
