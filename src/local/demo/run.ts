import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPromotionRepository, type PromotionRepository } from '#database/promotions/promotions.ts'
import { PROMOTION_TYPES } from '#queues/gift-types.ts'
import { startProgress } from '#runtime/progress-bar.ts'
import { type Account, takeAccount } from './account.ts'
import { type Child, startChild } from './children.ts'
import type { DemoParts, DemoTopics } from './demo-parts.ts'
import { type DemoPromotion, publishGifts } from './gifts.ts'
import { type DemoAdmin, describeAdmin, leaveRunning, startAdmin } from './look-around.ts'
import { describeSeal } from './seals.ts'
import { watchUntilFinal } from './watch.ts'

export interface DemoResult {
  account: Account
  /** First produce → last row final. */
  seconds: number
  children: Child[]
  /** Of a demo that is kept. */
  admin: DemoAdmin | undefined
  /** What a demo that seals, or begins with a canary, has to tell of it. */
  notes: string[]
}

/** As many gifts of each type; ids that no other run has used. */
export function planPromotions(messages: number, topics: DemoTopics): DemoPromotion[] {
  const base = Math.floor(Date.now() / 1000) * 10
  const firstTargetId = BigInt(base) * 10_000_000n
  const share = messages / PROMOTION_TYPES.length
  const plan = PROMOTION_TYPES.map((type, index): DemoPromotion => {
    const gifts = Math.ceil(share * (index + 1)) - Math.ceil(share * index)
    return { id: String(base + index), type, topic: topics.gifts[type], gifts, firstTargetId }
  })
  return plan.filter(({ gifts }) => gifts > 0)
}

/** One listener and two workers, as processes of their own. */
export async function startChildren({ env, keep }: DemoParts, logFolder: string): Promise<Child[]> {
  const kinds = [
    ['listener', 'listener'],
    ['worker', 'worker-1'],
    ['worker', 'worker-2'],
  ] as const
  const starts = await Promise.allSettled(kinds.map(([kind, name]) => startChild({ kind, name, env, logFolder, keep })))
  const children = starts.filter(start => start.status === 'fulfilled').map(({ value }) => value)
  const failed = starts.find(start => start.status === 'rejected')
  if (failed === undefined) return children
  await stopChildren(children)
  throw failed.reason
}

export async function stopChildren(children: readonly Child[]): Promise<void> {
  await Promise.all(children.map(child => child.stop()))
}

/** Creates the promotions, starts and publishes them, watches them to the end, and takes the account. */
export async function runDemo(messages: number, parts: DemoParts): Promise<DemoResult> {
  const { kysely, topics } = parts
  const promotions = planPromotions(messages, topics)
  const repository = createPromotionRepository(kysely)
  parts.say('starting 1 listener and 2 workers')
  const logFolder = mkdtempSync(join(tmpdir(), 'promostream-demo-'))
  const children = await startChildren(parts, logFolder)
  const { deadlineS } = parts
  const deadlineAt = deadlineS === undefined ? null : new Date(Date.now() + deadlineS * 1000).toISOString()
  for (const { id, type, gifts } of promotions) {
    await repository.create({ id, type, name: `demo ${type.toLowerCase()}`, totalCount: gifts, deadlineAt })
  }
  try {
    const admin = parts.keep ? await startAdmin(parts.env, logFolder) : undefined
    if (admin !== undefined) {
      children.push(admin.child)
      for (const line of describeAdmin(admin)) parts.say(line)
    }
    const { doneAtMs, ...paid } = await payAll(messages, promotions, parts)
    const seals = parts.isSealed ? await sealsOf(promotions, parts) : []
    const notes = [...deadlineNote(deadlineAt, doneAtMs), ...(await canariesOf(promotions, repository)), ...seals]
    if (parts.keep) await leaveRunning(parts)
    return { ...paid, children, admin, notes }
  } catch (error) {
    await stopChildren(children)
    throw error
  }
}

function deadlineNote(deadlineAt: string | null, doneAtMs: number | undefined): string[] {
  if (deadlineAt === null) return []
  if (doneAtMs === undefined) return ['deadline: NOT DONE']
  const spareS = (Date.parse(deadlineAt) - doneAtMs) / 1000
  return [`deadline: done ${Math.abs(spareS).toFixed(1)} s ${spareS >= 0 ? 'before it' : 'TOO LATE'}`]
}

async function canariesOf(promotions: readonly DemoPromotion[], repository: PromotionRepository): Promise<string[]> {
  const found = await Promise.all(promotions.map(({ id }) => repository.find(id)))
  return found.flatMap(promotion =>
    promotion?.canaryGifts == null
      ? []
      : [
          `canary: ${promotion.type} ${promotion.id}, ${promotion.canaryConfirmed} of the first ${promotion.canaryGifts} gifts confirmed before the others were paid`,
        ],
  )
}

async function sealsOf(promotions: readonly DemoPromotion[], { kysely, say }: DemoParts): Promise<string[]> {
  say('waiting until the promotions are completed and sealed')
  const lines = await Promise.all(promotions.map(promotion => describeSeal(kysely, promotion)))
  return lines.flat()
}

async function payAll(
  messages: number,
  promotions: readonly DemoPromotion[],
  parts: DemoParts,
): Promise<Omit<DemoResult, 'children' | 'admin' | 'notes'> & { doneAtMs: number | undefined }> {
  const { kysely, events, topics, moneyUrl, say } = parts
  for (const { id, type, gifts } of promotions) {
    const value = JSON.stringify({ promotionId: id, totalCount: gifts, type })
    await events.publish({ topic: topics.started, key: id, value })
  }
  say(`paying ${messages.toLocaleString('en')} gifts`)

  const progress = startProgress(messages)
  const startedAt = performance.now()
  let acknowledged = 0
  let isPublished = false
  const publishing = Promise.all(promotions.map(promotion => publishGifts(events, promotion))).then(counts => {
    acknowledged = counts.reduce((sum, count) => sum + count, 0)
    isPublished = true
  })
  const watching = watchUntilFinal({
    kysely,
    promotions,
    messages,
    progress,
    isPublished: () => isPublished,
    countInvalid: parts.countInvalid,
  })
  // A failed publish ends the demo at once; the watch alone would wait for gifts that never come.
  const isFinal = await Promise.race([watching, publishing.then(() => watching)])
  await publishing
  const doneAtMs = isFinal ? Date.now() : undefined
  const seconds = (performance.now() - startedAt) / 1000
  progress.stop()
  if (!isFinal) say('nothing has moved for two minutes: this is how far it came')
  const invalid = await parts.countInvalid()
  const account = await takeAccount({
    kysely,
    promotions,
    messages: acknowledged,
    invalid,
    moneyUrl,
    kafka: parts.audited,
  })
  return { account, seconds, doneAtMs }
}
