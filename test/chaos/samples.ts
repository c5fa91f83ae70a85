import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'

const SAMPLE_MS = 100
const MAX_VIOLATIONS = 5

interface Sample {
  rowsSuccess: number
  rowsFailed: number
  rows: number
  countedSuccess: number
  countedFailed: number
}

/** Looks at rows and counters in one SQL snapshot, again and again while the faults happen. */
export class Samples {
  readonly violations: string[] = []
  count = 0
  /** Longest time in which no gift became final, in ms, since `watchStandstill`. */
  standstillMs = 0
  readonly #kysely: Kysely<unknown>
  readonly #charges: () => Promise<number>
  #isOver = false
  #last: Sample | undefined
  #movedAtMs = Number.POSITIVE_INFINITY
  #ended: Promise<void>

  /** `charges`: how many the Money API has applied by now. */
  constructor(kysely: Kysely<unknown>, charges: () => Promise<number>) {
    this.#kysely = kysely
    this.#charges = charges
    this.#ended = this.#run()
  }

  /** From now on it is work that is awaited, not faults. */
  watchStandstill(): void {
    this.#movedAtMs = performance.now()
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#ended
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const startedAtMs = performance.now()
      // A database that is away says nothing; the sampling goes on.
      await this.#take().catch(() => undefined)
      // Counting many rows must not become the load.
      await sleep(Math.max(SAMPLE_MS, 5 * (performance.now() - startedAtMs)))
    }
  }

  async #take(): Promise<void> {
    const { rows } = await sql<Sample>`
      with r as (
        select process_status as status from campaign_promotion_voucher_result
        union all select process_status from campaign_promotion_point_result)
      select (count(*) filter (where status = 'SUCCESS'))::float8 as "rowsSuccess",
        (count(*) filter (where status = 'FAILED'))::float8 as "rowsFailed", count(*)::float8 as rows,
        (select coalesce(sum(success_count), 0)::float8 from campaign_promotion_summary) as "countedSuccess",
        (select coalesce(sum(failed_count), 0)::float8 from campaign_promotion_summary) as "countedFailed"
      from r`.execute(this.#kysely)
    const sample = rows[0] as Sample
    const charges = await this.#charges()
    this.count += 1
    const last = this.#last
    this.#last = sample
    if (sample.rowsSuccess !== sample.countedSuccess || sample.rowsFailed !== sample.countedFailed)
      this.#violated(`rows and counters disagree: ${JSON.stringify(sample)}`)
    if (charges < sample.rowsSuccess) this.#violated(`${sample.rowsSuccess} rows SUCCESS, ${charges} charges`)
    if (last !== undefined && sample.rows < last.rows) this.#violated(`rows fell from ${last.rows} to ${sample.rows}`)
    if (last !== undefined && sample.rowsSuccess < last.rowsSuccess)
      this.#violated(`SUCCESS fell from ${last.rowsSuccess} to ${sample.rowsSuccess}`)
    const finals = sample.rowsSuccess + sample.rowsFailed
    const now = performance.now()
    if (last === undefined || finals !== last.rowsSuccess + last.rowsFailed) {
      if (Number.isFinite(this.#movedAtMs)) this.#movedAtMs = now
    } else if (finals < sample.rows) this.standstillMs = Math.max(this.standstillMs, now - this.#movedAtMs)
  }

  #violated(what: string): void {
    if (this.violations.length < MAX_VIOLATIONS) this.violations.push(`sample ${this.count}: ${what}`)
  }
}
