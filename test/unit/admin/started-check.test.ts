import { expect, test } from '@jest/globals'
import type { Bottleneck } from '#admin/snapshot/cause.ts'
import { startedCheck } from '#admin/started-check.ts'
import { createPromotionStartedHooks } from '#promotion/consumers/started-hooks.ts'

async function linesAfterStart(bottlenecks: Bottleneck[] | undefined): Promise<string[]> {
  const lines: string[] = []
  const heard = Promise.withResolvers<void>()
  const log = (level: string) => (fields: { code?: string }, text: string) => {
    lines.push(`${level} ${fields.code ?? ''} ${text}`)
    setImmediate(heard.resolve)
  }
  const logger = { info: log('info'), warn: log('warn'), error: log('error') } as never
  const sampler = { renewed: async () => (bottlenecks === undefined ? undefined : { bottlenecks }) as never }
  const hooks = createPromotionStartedHooks({ logger })
  hooks.onPromotionStarted('check', startedCheck({ sampler, logger }))
  hooks.notify({ promotionId: '42', totalCount: 1, type: 'POINT' })
  await heard.promise
  return lines
}

test('a promotion that was started while nothing can be paid is a warning for each reason', async () => {
  const lines = await linesAfterStart([
    { code: 'no-worker', level: 'bad', text: () => 'No worker is alive' },
    { code: 'kafka-lag', level: 'wait', text: () => 'passes by itself' },
    { code: 'database-slow', level: 'bad', text: () => 'PostgreSQL is slow' },
  ])
  const begin = 'promotion 42 was started, but its gifts are not paid yet:'
  expect(lines).toEqual([
    `warn no-worker ${begin} No worker is alive`,
    `warn database-slow ${begin} PostgreSQL is slow`,
  ])
})

test.each([[[{ code: 'starting', level: 'wait', text: () => 'x' }] as Bottleneck[]], [undefined]])(
  'one that only has to wait, or is gone already, is none',
  async bottlenecks => {
    expect(await linesAfterStart(bottlenecks)).toEqual(['info  promotion started through the admin'])
  },
)
