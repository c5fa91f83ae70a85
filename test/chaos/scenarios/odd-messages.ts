import { countRecords } from '#kafka/topics.ts'
import { topicOf } from '../../support/chaos.ts'
import type { Scenario } from '../scenario.ts'

const BAD = [
  'not JSON',
  '',
  '{',
  'null',
  '[]',
  '{}',
  '"text"',
  '{"__proto__":{"promotionId":"1"}}',
  `${'['.repeat(10_000)}${']'.repeat(10_000)}`,
  `{"promotionId":"1","partitionKey":"${'x'.repeat(300_000)}"}`,
]

/** Ids as JSON numbers beyond 2^53 stay what they are; what is no gift goes to the invalid topic, once, and holds nobody up. */
export const oddMessages: Scenario = {
  about: 'ids as JSON numbers beyond 2^53, and bad messages between them',
  messages: 10_000,
  run: async ({ messages, random, start }) => {
    const system = await start({ money: { latencyMs: 5 } })
    await Promise.all([system.child('listener'), system.child('worker')])
    const promotion = await system.plan(messages)
    await system.run(promotion)
    let bad = 0
    const sent: Promise<void>[] = []
    for (let index = 0; index < messages; index++) {
      const target = promotion.firstTargetId + BigInt(index)
      const value = `{"promotionId":${promotion.id},"promotionSummaryId":${promotion.id},"voucherTargetId":${target},"partitionKey":"k${index}","memberId":9007199254740993,"amount":100}`
      const events = [{ topic: promotion.topic, key: `k${index}`, value }]
      if (random.chance(0.1)) events.push({ topic: promotion.topic, key: `k${index}`, value: random.pick(BAD) })
      bad += events.length - 1
      sent.push(...events.map(event => system.events.publish(event)))
      if (index % 500 === 499) await Promise.all(sent)
    }
    await Promise.all(sent)
    system.published.set(promotion.id, messages)
    await system.drain()
    const invalid = await countRecords(system.kafka, topicOf('invalid'))
    // The producer may have written a record twice when an answer was late: what counts is where a record stands.
    const places = system.logged('invalid message: ').map(line => {
      const { topic, partition, offset } = JSON.parse(line) as Record<string, unknown>
      return `${topic} ${partition} ${offset}`
    })
    const eachBadOneIsInvalidOnce = invalid >= bad && new Set(places).size === invalid
    return { figures: { bad, invalid }, checks: { eachBadOneIsInvalidOnce } }
  },
}
