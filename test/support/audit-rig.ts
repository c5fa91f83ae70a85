import { mkdtempSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from '@jest/globals'
import { sql } from 'kysely'
import { type AuditOptions, runAudit } from '#bin/commands/audit-run.ts'
import type { Discrepancy } from '#promotion/audit/discrepancies.ts'
import type { AuditReport } from '#promotion/audit/report.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { uniqueId } from './stack-env.ts'
import { giftJson, TestSystem } from './system.ts'

export interface PlantedGifts {
  promotionId: string
  targets: string[]
}

/** An installation with a listener and nobody who pays but the test, and its account. */
export class AuditRig {
  readonly system: TestSystem
  readonly folder = mkdtempSync(join(tmpdir(), 'promostream-audit-'))
  readonly #environment = { ...process.env }
  readonly #env: Record<string, string>

  private constructor(system: TestSystem) {
    this.system = system
    // Where the tests are given servers, the environment may name another database of Redis for streams.
    this.#env = { ...system.env, REDIS_STREAM_URL: system.env.REDIS_URL! }
    Object.assign(process.env, this.#env)
  }

  static async create(): Promise<AuditRig> {
    const system = await TestSystem.create()
    await system.start('listener')
    return new AuditRig(system)
  }

  async stop(): Promise<void> {
    for (const name of Object.keys(this.#env)) delete process.env[name]
    Object.assign(process.env, this.#environment)
    await this.system.stop()
    await rm(this.folder, { recursive: true, force: true })
  }

  /** What `promostream audit` finds, in this process. */
  readonly audit = (promotionIds: string[], options: Partial<AuditOptions> = {}): Promise<AuditReport> =>
    runAudit(promotionIds, { kafka: true, redis: true, concurrency: 8, limit: 100, ...options })

  /** The simulator's ledger as the settlement that the Money API would deliver. */
  readonly settlement = async (promotionId: string): Promise<string> => {
    const file = join(this.folder, `${promotionId}.jsonl`)
    const charges = await this.system.charges(promotionId)
    await writeFile(file, charges.map(charge => `${JSON.stringify(charge)}\n`).join(''))
    return file
  }

  /** Charges a gift. @returns the transaction key. */
  readonly post = async ({ promotionId }: PlantedGifts, targetId: string, amount = '100'): Promise<string> => {
    const body = { type: 'VOUCHER', promotionId, targetId, memberId: '7', amount }
    const response = await fetch(`${this.system.moneyUrl}/v1/campaign-charges`, {
      method: 'POST',
      headers: { authorization: 'Bearer test-token', 'idempotency-key': `VOUCHER:${targetId}` },
      body: JSON.stringify(body),
    })
    return ((await response.json()) as { transactionKey: string }).transactionKey
  }

  /** Gifts as rows without entries, each with its message. */
  readonly gifts = async (count: number, type: PromotionType = 'VOUCHER'): Promise<PlantedGifts> => {
    const { system } = this
    const promotionId = await system.promotion(type, 'READY', count)
    const first = uniqueId() * 10_000n
    const targets = Array.from({ length: count }, (_, index) => String(first + BigInt(index)))
    const messages = targets.map(targetId => giftJson(type, { promotionId, promotionSummaryId: promotionId, targetId }))
    await system.publish(type, messages)
    await system.until('rows', async () => (await system.countByStatus(promotionId, type)).PENDING === count)
    return { promotionId, targets }
  }

  readonly succeed = (targetId: string, moneyKey: string) =>
    this.system.results.VOUCHER.move({ targetId, to: 'SUCCESS', moneyKey, posts: 1 })

  readonly moveTo = (to: 'RETRYING' | 'FAILED' | 'UNKNOWN', targetId: string) =>
    this.system.results.VOUCHER.move({ targetId, to, errorCode: 'x', errorMessage: '', posts: 1 })

  /** Pays them as a worker would. */
  readonly pay = async (planted: PlantedGifts, targets = planted.targets): Promise<PlantedGifts> => {
    for (const target of targets) await this.succeed(target, await this.post(planted, target))
    return planted
  }

  /** A statement as it stands. */
  readonly run = (statement: string) => sql.raw(statement).execute(this.system.kysely)
}

export function expectDiscrepancies(report: AuditReport, discrepancies: Partial<Discrepancy>[]): void {
  expect(report.discrepancies).toEqual(discrepancies.map(discrepancy => expect.objectContaining(discrepancy)))
  expect(report.ok).toBe(false)
}
