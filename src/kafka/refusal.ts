import { CodedError, errorLine } from '#runtime/errors.ts'

/** What most likely is wrong, by what kafkajs says. */
const HINTS: readonly (readonly [reason: RegExp, hint: string])[] = [
  [/certificate|self.signed|altnames/i, 'KAFKA_CA_FILE names whose certificates count, KAFKA_BROKERS the host'],
  [/SASL|authenticat/i, 'see KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD'],
  [/wrong version number|packet length|before secure TLS/i, 'KAFKA_SSL says whether brokers speak TLS'],
]

/** Why Kafka cannot be used, in one line that names the settings. */
export function kafkaUnreachable(cause: unknown): CodedError {
  const reason = errorLine(cause)
  const [, hint] = HINTS.find(([pattern]) => pattern.test(reason)) ?? []
  const text = `Kafka (KAFKA_BROKERS) cannot be used: ${reason}${hint === undefined ? '' : ` (${hint})`}`
  return new CodedError('KAFKA_UNREACHABLE', text, { cause })
}
