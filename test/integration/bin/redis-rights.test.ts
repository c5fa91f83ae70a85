import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { redisRightsOf, streamRightsOf } from '#bin/redis-rights.ts'
import type { RedisConfig } from '#config/schemas.ts'
import { createLogger } from '#runtime/logger.ts'
import { connectRedis, createRedisClient } from '#runtime/redis.ts'
import { assertRedisRights, type RightsQuestion } from '#runtime/redis-rights.ts'
import { startTestRedis, type TestRedis } from '#test/support/redis.ts'

const ROLES = ['listener', 'worker', 'admin', 'cli'] as const
const CONFIG = { REDIS_KEY_PREFIX: 'shop:' } as RedisConfig

let redis: TestRedis
beforeAll(async () => {
  redis = await startTestRedis()
  await redis.probe.acl('SETUSER', 'app', 'on', '>x', 'allkeys', '+@all')
})
afterAll(() => redis.stop())

const questionsOf = (role: (typeof ROLES)[number]): Record<string, RightsQuestion[]> => ({
  streams: streamRightsOf({ role, pays: role !== 'listener' }, CONFIG),
  redis: redisRightsOf({ role, pays: role !== 'listener' }, CONFIG, 'shop:promostream'),
})

const allow = (...rules: string[]) => redis.probe.acl('SETUSER', 'app', 'resetkeys', 'allkeys', '+@all', ...rules)

/** On a connection of its own: one that lacks EXEC stays in its transaction. */
async function ask(questions: RightsQuestion[]): Promise<void> {
  const url = redis.url.replace('redis://', 'redis://app:x@')
  const client = createRedisClient({ url, cluster: false, logger: createLogger('test', 'silent') })
  try {
    await connectRedis(client, 5000)
    await assertRedisRights(client, 'REDIS_URL', questions)
  } finally {
    client.disconnect()
  }
}

/** As ACL has it, and as we say it. */
function nameOf(command: string): [rule: string, name: string] {
  const [first = '', second = ''] = command.split(' ')
  const isFamily = first === 'XGROUP' || first === 'XINFO'
  return isFamily ? [`${first}|${second}`, `${first} ${second}`] : [first, first]
}

test.each(ROLES)('whatever command a %s lacks is named, and nothing is left of the asking', async role => {
  for (const questions of Object.values(questionsOf(role))) {
    await allow()
    await ask(questions)
    const names = new Map(questions.flatMap(({ commands }) => commands).map(nameOf))
    for (const [rule, name] of names) {
      await allow(`-${rule}`)
      await expect(ask(questions)).rejects.toMatchObject({
        code: 'REDIS_RIGHTS',
        message: expect.stringMatching(
          `^Redis \\(REDIS_URL\\) refuses us: the user «app» may not run ${name}: .*NOPERM`,
        ),
      })
    }
    // Who may not delete leaves a text for a minute; the next one removes it.
    await allow()
    await ask(questions)
  }
  expect(await redis.probe.keys('*')).toEqual([])
})

test.each(ROLES)('a pattern of keys that leaves out some of a %s’s is told by the key', async role => {
  for (const questions of Object.values(questionsOf(role))) {
    for (const { key } of questions) {
      const others = questions.filter(other => other.key !== key).map(other => `~${other.key}`)
      await allow('resetkeys', ...others)
      await expect(ask(questions)).rejects.toThrow(`the user «app» may not use keys like «${key}»: NOPERM`)
    }
  }
})

test('a right to look is no right to write, and the other way round', async () => {
  const questions = streamRightsOf({ role: 'worker', pays: true }, CONFIG)
  for (const half of ['%R~*', '%W~*']) {
    await redis.probe.acl('SETUSER', 'app', 'resetkeys', half, '+@all')
    await expect(ask(questions)).rejects.toMatchObject({ code: 'REDIS_RIGHTS' })
  }
})
