import type { ConnectionOptions } from 'node:tls'
import { Kafka, type LogEntry, logLevel } from 'kafkajs'
import type { Logger } from '#runtime/logger.ts'
import { registerCodecs } from './codecs.ts'
import './request-queue.ts'
import './unreadable.ts'

/** The client as other rooms name it: only this one imports kafkajs. */
export type KafkaClient = Kafka

export interface KafkaOptions {
  brokers: string[]
  clientId: string
  /** What `tls.connect` takes; true: the certificates that Node trusts; false: in clear text. */
  ssl: boolean | ConnectionOptions
  sasl?: { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string }
  logger: Logger
}

/** kafkajs behind our logger. Its retriable errors are everyday life and go to debug. */
export function createKafka({ brokers, clientId, ssl, sasl, logger }: KafkaOptions): KafkaClient {
  registerCodecs()
  return new Kafka({
    brokers,
    clientId,
    ssl,
    ...(sasl === undefined ? {} : { sasl: sasl as never }),
    connectionTimeout: 3000,
    requestTimeout: 30_000,
    retry: { initialRetryTime: 200, maxRetryTime: 5000, retries: 5 },
    logLevel: logLevel.INFO,
    logCreator: () => entry => writeLog(logger, entry),
  })
}

function writeLog(logger: Logger, { level, log, namespace }: LogEntry): void {
  const { message, error, groupId, topic } = log as typeof log & { error?: unknown; groupId?: string; topic?: string }
  const line = `kafkajs ${namespace}: ${typeof error === 'string' ? `${message} (${error})` : message}`
  const fields = { groupId, topic }
  if (level === logLevel.ERROR && log.retriable !== true && !isTransient(error)) logger.warn(fields, line)
  else logger.debug(fields, line)
}

/** First use of a group or a transaction, and a broker that is away: kafkajs tries again by itself. */
function isTransient(error: unknown): boolean {
  return (
    typeof error === 'string' &&
    /coordinator|rebalanc|leader|ECONN|Connection|not aware of this member|topic-partition/i.test(error)
  )
}
