import { randomBytes } from 'node:crypto'
import { request } from 'undici'
import { migrate, openDatabase } from '#database/database.ts'
import { createKafka } from '#kafka/client.ts'
import { ensureTopics } from '#kafka/topics.ts'
import { startStack } from '#local/embedded-stack.ts'
import { createLogger } from '#runtime/logger.ts'
import { cpuSecondsOf } from './process-tree.ts'

const SERVERS = ['postgres', 'redis', 'kafka', 'money'] as const

/** Real servers that every side of a benchmark shares, and what they have used so far. */
export async function startSetting(moneyLatencyMs: number, onProgress: (line: string) => void) {
  const stack = await startStack({ env: process.env, money: { latencyMs: moneyLatencyMs, seed: 1 }, onProgress })
  try {
    const env: Record<string, string> = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...stack.env }
    const databaseOptions = { url: stack.env.DATABASE_URL ?? '', poolMax: 2, timeoutMs: 120_000 }
    await migrate(databaseOptions)
    const database = await openDatabase(databaseOptions)
    const brokers = (stack.env.KAFKA_BROKERS ?? '').split(',')
    const kafka = createKafka({ brokers, clientId: 'bench', ssl: false, logger: createLogger('bench', 'silent') })
    return {
      env,
      kafka,
      kysely: database.kysely,
      serverPids: Object.fromEntries(SERVERS.map(name => [name, stack.servers[name]?.pid ?? 0])),
      /** CPU-seconds of each server so far. */
      serverCpu: () => Object.fromEntries(SERVERS.map(name => [name, cpuSecondsOf(stack.servers[name]?.pid ?? 0)])),
      async close() {
        await database.stop()
        await stack.close()
      },
    }
  } catch (error) {
    await stack.close()
    throw error
  }
}

export type Setting = Awaited<ReturnType<typeof startSetting>>

/** Topics and groups of one run alone. */
export async function topicsOfRun(setting: Setting, names: readonly string[]): Promise<Record<string, string>> {
  const run = `bench-${randomBytes(4).toString('hex')}`
  const topics = Object.fromEntries(names.map(name => [name, `${run}-${name}`]))
  await ensureTopics(setting.kafka, Object.values(topics), 4)
  return topics
}

/** Charges of these promotions in the ledger, and how many of them are a second one of their key. */
export async function countCharges(setting: Setting, promotionIds: readonly string[]) {
  const counts = { charges: 0, duplicates: 0 }
  for (const promotionId of promotionIds) {
    const { body } = await request(`${setting.env.MONEY_API_URL}/ledger/charges?promotionId=${promotionId}`)
    const targets = new Set<string>()
    let charges = 0
    let rest = ''
    for await (const chunk of body.setEncoding('utf8')) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        charges += 1
        targets.add((JSON.parse(line) as { targetId: string }).targetId)
      }
    }
    counts.charges += charges
    counts.duplicates += charges - targets.size
  }
  return counts
}
