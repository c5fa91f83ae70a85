import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import type { Campaign } from './gifts.ts'
import { type Setting, topicsOfRun } from './setting.ts'
import type { RunningSide } from './side.ts'

const NODE_FLAGS = ['--max-semi-space-size=64', '--disable-warning=TimeoutNegativeWarning']
let lastPromotionId = 1_000_000

/**
 * What promostream is compared with, each without checks: `raw`, the bare loop, sends the same commands and nothing around
 * them; `bullmq` has a BullMQ queue in the stream's place; `sequential` does one gift after the other.
 */
export const LOOPS = ['raw', 'bullmq', 'sequential'] as const

export type Loop = (typeof LOOPS)[number]

const WORKER_PROGRAMS = { raw: 'raw-worker.ts', bullmq: 'bullmq-worker.ts', sequential: 'sequential.ts' } as const

export async function startLoop(loop: Loop, setting: Setting, messages: number, workers: number) {
  const { kysely, env } = setting
  const { gifts: topic = '' } = await topicsOfRun(setting, ['gifts'])
  await sql`drop table if exists bench_gift`.execute(kysely)
  // Columns, unique key and fill factor of a result table, and none of its triggers.
  await sql`
    create table bench_gift (id bigint generated always as identity primary key, promotion_id bigint not null,
      promotion_summary_id bigint not null, target_id bigint not null unique, partition_key text not null,
      member_id bigint not null, amount bigint not null, process_status text not null default 'PENDING', money_key text,
      attempts int not null default 0, message text not null, created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()) with (fillfactor = 70)`.execute(kysely)
  lastPromotionId += 1
  const campaigns: Campaign[] = [
    { promotionId: String(lastPromotionId), topic, targetField: 'voucherTargetId', gifts: messages },
  ]
  const urls = [env.DATABASE_URL, env.REDIS_URL] as string[]
  const source = [env.KAFKA_BROKERS ?? '', ...urls, topic, `${topic}-group`]
  const money = [env.MONEY_API_URL ?? '', env.MONEY_API_TOKEN ?? '']
  const listeners = loop === 'sequential' ? [] : [await start('raw-listener.ts', [...source, loop])]
  const done = new Map<number, number>()
  const broken: string[] = []
  const consumers = await Promise.all(
    Array.from({ length: loop === 'sequential' ? 1 : workers }, async (_, index) => {
      const args = loop === 'sequential' ? [...source, ...money] : [...urls, ...money, topic, `consumer-${index}`]
      const child = await start(WORKER_PROGRAMS[loop], args)
      child.on('message', count => done.set(index, count as number))
      child.once('exit', code => broken.push(`consumer-${index} ended with ${code}`))
      return child
    }),
  )
  const side: RunningSide = {
    pids: { listener: listeners.map(({ pid }) => pid ?? 0), workers: consumers.map(({ pid }) => pid ?? 0) },
    async done() {
      if (broken[0] !== undefined) throw new Error(broken[0])
      return [...done.values()].reduce((sum, count) => sum + count, 0)
    },
    async countPaid() {
      const { rows } = await sql<{ paid: number }>`
        select count(*)::float8 as paid from bench_gift where process_status = 'SUCCESS'`.execute(kysely)
      return rows[0]?.paid ?? 0
    },
    async stop() {
      for (const child of [...listeners, ...consumers]) child.kill('SIGKILL')
      await Promise.all(
        [...listeners, ...consumers].map(child => child.exitCode ?? child.signalCode ?? once(child, 'exit')),
      )
    },
  }
  return { side, campaigns }
}

async function start(program: string, args: string[]): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL(program, import.meta.url)), args, { execArgv: NODE_FLAGS })
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${program} ended with ${code} before it was ready`)
  })
  ended.catch(() => undefined)
  await Promise.race([once(child, 'message'), ended])
  return child
}
