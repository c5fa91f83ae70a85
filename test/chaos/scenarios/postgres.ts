import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { say } from '../../support/chaos.ts'
import type { Scenario } from '../scenario.ts'

const MAX_RESUME_SECONDS = 15

/** Every session of every process ends in the middle of what it does, and PostgreSQL itself is killed. */
export const postgres: Scenario = {
  about: 'PostgreSQL: all sessions terminated ten times, the server stopped at once (SIGQUIT) five times',
  messages: 20_000,
  run: async ({ messages, random, start }) => {
    const system = await start()
    const children = await Promise.all([system.child('listener'), system.child('worker'), system.child('worker')])
    const promotion = await system.plan(messages)
    await system.run(promotion)
    const publishing = system.publish(promotion)
    await system.until('work under way', async () => (await system.count(promotion)).SUCCESS > 50)
    const server = system.stack.servers.postgres!
    let slowest = 0
    const [breaks, crashes] = messages >= 10_000 ? [10, 5] : [3, 1]
    for (let fault = 1; fault <= breaks + crashes; fault++) {
      await sleep(random.between(300, 1000))
      system.repeats += children.length * system.callsAtOnce
      if (fault <= breaks) {
        await sql`select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid()`.execute(system.kysely)
      } else {
        server.signal('SIGQUIT')
        await server.gone()
        await server.start()
      }
      const before = (await counted(system, promotion)) ?? 0
      slowest = Math.max(
        slowest,
        await system.until('work goes on', async () => {
          const now = await counted(system, promotion)
          return now !== undefined && (now > before || now === messages)
        }),
      )
      say(`PostgreSQL ${fault}/${breaks + crashes}`)
    }
    await publishing
    return {
      figures: { slowestResumeSeconds: slowest },
      checks: { resumedInTime: slowest <= MAX_RESUME_SECONDS, nobodyEnded: system.children.size === children.length },
    }
  },
}

async function counted(
  system: Awaited<ReturnType<Parameters<Scenario['run']>[0]['start']>>,
  promotion: { id: string; type: 'VOUCHER' | 'POINT' },
) {
  return system.promotions.countByStatus(promotion).then(
    ({ SUCCESS }) => SUCCESS,
    () => undefined,
  )
}
