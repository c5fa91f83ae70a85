import { expect, test } from '@jest/globals'
import { createKafka, type KafkaOptions } from '#kafka/client.ts'

/** A client, and what it has said: on which level, about what. */
function clientOf(options: Partial<KafkaOptions> = {}) {
  const said: [level: string, line: string, fields: object][] = []
  const say = (level: string) => (fields: object, line: string) => void said.push([level, line, fields])
  const logger = { warn: say('warn'), debug: say('debug') } as never
  const kafka = createKafka({ brokers: ['127.0.0.1:1'], clientId: 'test', ssl: false, logger, ...options })
  return { kafka, said }
}

test('an error of kafkajs is a warning, with its reason, group and topic', () => {
  const { kafka, said } = clientOf()
  kafka.logger().error('the fetch failed', { error: 'out of memory', groupId: 'g', topic: 't', retriable: false })
  expect(said).toEqual([
    ['warn', expect.stringMatching(/^kafkajs .*the fetch failed \(out of memory\)$/), { groupId: 'g', topic: 't' }],
  ])
})

test('one without a reason is its message', () => {
  const { kafka, said } = clientOf()
  kafka.logger().error('the fetch failed')
  expect(said).toEqual([['warn', expect.stringMatching(/^kafkajs .*the fetch failed$/), expect.anything()]])
})

test.each([
  ['retriable', { retriable: true }],
  ['coordinator', { error: 'The coordinator is loading' }],
  ['rebalance', { error: 'The group is rebalancing' }],
  ['leader', { error: 'There is no leader for this topic-partition' }],
  ['connection', { error: 'connect ECONNREFUSED 127.0.0.1:9092' }],
  ['member', { error: 'The coordinator is not aware of this member' }],
])('everyday life is for whoever debugs: %s', (_name, extra) => {
  const { kafka, said } = clientOf()
  kafka.logger().error('failed', extra)
  expect(said.map(([level]) => level)).toEqual(['debug'])
})

test('what is no error is for whoever debugs', () => {
  const { kafka, said } = clientOf()
  kafka.logger().warn('slow')
  kafka.logger().info('joined')
  expect(said.map(([level]) => level)).toEqual(['debug', 'debug'])
})
