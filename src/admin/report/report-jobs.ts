import type { Kysely } from 'kysely'
import { LRUCache } from 'lru-cache'
import { finderOf, type PromotionView, type Sampler } from '#admin/snapshot/sampler.ts'
import { countSkipped, sumGifts } from '#database/gifts/gift-sums.ts'
import { findSeal, type StoredSeal } from '#database/promotions/seals.ts'
import { fingerprintOf, type SealStatement } from '#promotion/seal/statement.ts'
import { errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { type AuditVerdict, type ClosingReport, closingReport, type ReportSeal } from './closing-report.ts'

export interface ReportJob {
  state: 'running' | 'done' | 'failed'
  startedAt: string
  /** What it is at, and how far: 0 … 1, null where nobody knows. */
  step: 'gifts' | 'audit'
  progress: number | null
  error: string | null
  report: ClosingReport | null
}

export interface ReportJobs {
  /** Begins one, unless one is under way. Throws `PROMOTION_NOT_FOUND`. */
  start(promotionId: string): Promise<ReportJob>
  /** The last one of this process; undefined: none was made, or it was long ago. */
  find(promotionId: string): ReportJob | undefined
}

export interface ReportJobsDeps {
  kysely: Kysely<unknown>
  sampler: Pick<Sampler, 'find'>
  /** Reads rows and messages; may take minutes. */
  audit(promotionId: string, onProgress: (share: number | null) => void): Promise<AuditVerdict>
  logger: Logger
}

const MAX_JOBS = 50

/** Closing reports, made in the background, one at a time for a promotion: who asks meanwhile is told how far it is. */
export function createReportJobs({ kysely, sampler, audit, logger }: ReportJobsDeps): ReportJobs {
  const jobs = new LRUCache<string, ReportJob>({ max: MAX_JOBS })
  const run = async (view: PromotionView, job: ReportJob) => {
    let seen = 0
    const gifts = await sumGifts(kysely, view, rows => {
      seen += rows
      job.progress = view.rows > 0 ? Math.min(1, seen / view.rows) : null
    })
    const skipped = await countSkipped(kysely, view.id)
    Object.assign(job, { step: 'audit', progress: null })
    const verdict = await audit(view.id, share => {
      job.progress = share
    })
    const seal = sealOf(await findSeal(kysely, view.id))
    Object.assign(job, { state: 'done', report: closingReport(view, { gifts, skipped, audit: verdict, seal }) })
  }
  return {
    start: async promotionId => {
      const known = jobs.get(promotionId)
      if (known?.state === 'running') return known
      const view = await finderOf(sampler)(promotionId)
      const startedAt = new Date().toISOString()
      const job: ReportJob = { state: 'running', startedAt, step: 'gifts', progress: 0, error: null, report: null }
      jobs.set(promotionId, job)
      void run(view, job).catch(error => {
        logger.warn({ err: toError(error), promotionId }, `no closing report: ${errorLine(error)}`)
        Object.assign(job, { state: 'failed', error: errorLine(error) })
      })
      return job
    },
    find: promotionId => jobs.get(promotionId),
  }
}

function sealOf(seal: StoredSeal | undefined): ReportSeal | null {
  if (seal === undefined) return null
  const { sealedAt, gifts, root } = JSON.parse(seal.statement) as SealStatement
  return { sealedAt, gifts, root, key: fingerprintOf(seal.publicKey.toString('base64')) }
}
