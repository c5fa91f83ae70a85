import { expect, test } from '@jest/globals'
import { kafkaUnreachable } from '#kafka/refusal.ts'

test.each([
  ['self-signed certificate in certificate chain', 'KAFKA_CA_FILE'],
  ['SASL PLAIN authentication failed', 'KAFKA_SASL_MECHANISM'],
  ['Client network socket disconnected before secure TLS connection was established', 'KAFKA_SSL'],
  ['ssl3_get_record:wrong version number', 'KAFKA_SSL'],
])('«%s» names the settings that it is about', (reason, setting) => {
  const cause = new Error(reason)
  const refusal = kafkaUnreachable(cause)
  expect([refusal.code, refusal.cause]).toEqual(['KAFKA_UNREACHABLE', cause])
  expect(refusal.message).toContain(reason)
  expect(refusal.message).toMatch(new RegExp(`\\(.*${setting}.*\\)$`))
})

test('what says nothing more is told as it is', () => {
  expect(kafkaUnreachable(new Error('Connection timeout')).message).toBe(
    'Kafka (KAFKA_BROKERS) cannot be used: Connection timeout',
  )
})
