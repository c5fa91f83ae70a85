import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { runCli } from '#test/support/cli.ts'
import { environmentOf, podOf, readOverlays } from '#test/support/kubernetes.ts'
import { objectOf } from '#test/support/kustomize.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip
const { production } = readOverlays()
/** What the installations of a run share their servers by. */
const OWN = /^(PATH|KAFKA_GROUP_ID|KAFKA_TOPIC_\w+|REDIS_KEY_PREFIX)$/

withKafka('the audit of each night', () => {
  let system: TestSystem
  beforeAll(async () => {
    system = await TestSystem.create()
  }, 60_000)
  afterAll(() => system.stop())

  test('has every setting that its command asks for, and says its result', async () => {
    const pod = podOf(objectOf(production, 'CronJob', 'promostream-audit'))
    const given = Object.keys(environmentOf(production, pod, '')).map(name => name.replace(/_FILE$/, ''))
    const env = Object.fromEntries(
      Object.entries(system.env).filter(([name]) => given.includes(name) || OWN.test(name)),
    )
    const { code, stdout, stderr } = await runCli(env, ...pod.containers[0]!.args.slice(1))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('0 missing, 0 double')
  }, 60_000)
})
