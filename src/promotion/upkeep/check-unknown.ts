import type { Kysely } from 'kysely'
import { forgetCheck, listDueChecks, listUnknown, postponeCheck, type UnknownGift } from '#database/gifts/unknown.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import type { MoneyCampaignChargeApi } from '#money/charge-api.ts'
import type { CampaignPromotionResultUpdateService } from '#promotion/payment/result-update.ts'
import type { RetryJobs } from '#promotion/payment/retry-jobs.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { CodedError, errorLine, toError } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'

/**
 * Asks the Money API, by GET with the key, about gifts of which nobody knows whether they were paid.
 *
 * 200 → SUCCESS. 404 leaves the gift UNKNOWN: FAILED means that the Money API refused, and of an UNKNOWN gift nobody
 * heard a refusal; a 404 says only that there is no charge yet (a call that timed out may still be applied). It stays on
 * the list, is asked about again after a growing pause, and a person may retry it with the same key.
 */
export interface UnknownDeps {
  kysely: Kysely<unknown>
  moneyApi: Pick<MoneyCampaignChargeApi, 'lookup'>
  resultUpdateService: Pick<CampaignPromotionResultUpdateService, 'updateSuccess'>
}

/** How many gifts were asked about, and what was said of them. */
export interface UnknownTally {
  /** Gifts that the Money API was asked about. */
  checked: number
  /** It holds a charge: SUCCESS now. */
  succeeded: number
  /** It holds none: UNKNOWN still. */
  uncharged: number
  /** It did not say. */
  unanswered: number
}

type Answer = 'succeeded' | 'uncharged' | 'unanswered'

const PAGE_SIZE = 100
const CONCURRENCY = 8
/** A Money API that answers nothing is asked no more than this in a row. */
const MAX_UNANSWERED = 20
const MAX_PAUSE_MS = 6 * 3_600_000

async function ask(type: PromotionType, targetId: string, deps: UnknownDeps): Promise<Answer> {
  const found = await deps.moneyApi.lookup({ type, targetId })
  switch (found.kind) {
    case 'charged':
      await deps.resultUpdateService.updateSuccess(type, { targetId }, found.transactionKey, 0)
      return 'succeeded'
    case 'no-charge':
      return 'uncharged'
    case 'unauthorized':
      throw new CodedError('MONEY_UNAUTHORIZED', `the Money API refuses our credentials (${found.code})`)
    default:
      return 'unanswered'
  }
}

/** A bounded number of lookups at once; ends early, without an error, when the Money API has stopped answering. */
async function askAll<Gift extends { type: PromotionType; targetId: string }>(
  gifts: readonly Gift[],
  deps: UnknownDeps,
  tally: UnknownTally,
  onAnswer: (gift: Gift, answer: Answer) => Promise<void> | void,
  hasTime: () => boolean = () => true,
): Promise<'all' | 'given-up'> {
  const rest = [...gifts].reverse()
  let inVain = 0
  const next = async () => {
    for (let gift = rest.pop(); gift !== undefined && inVain < MAX_UNANSWERED && hasTime(); gift = rest.pop()) {
      const answer = await ask(gift.type, gift.targetId, deps)
      inVain = answer === 'unanswered' ? inVain + 1 : 0
      tally.checked += 1
      tally[answer] += 1
      await onAnswer(gift, answer)
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, next))
  return inVain < MAX_UNANSWERED ? 'all' : 'given-up'
}

/** Every UNKNOWN gift of one promotion, now. Rejects with `MONEY_UNAUTHORIZED` or `MONEY_UNAVAILABLE`. */
export async function checkUnknownOf(
  promotion: Pick<Promotion, 'id' | 'type'>,
  deps: UnknownDeps,
  onProgress: (done: UnknownTally) => void = () => undefined,
): Promise<UnknownTally> {
  const tally: UnknownTally = { checked: 0, succeeded: 0, uncharged: 0, unanswered: 0 }
  for (let afterId = '0'; ; ) {
    const rows = await listUnknown(deps.kysely, promotion, { afterId, limit: PAGE_SIZE })
    const gifts = rows.map(({ targetId }) => ({ type: promotion.type, targetId }))
    const end = await askAll(gifts, deps, tally, () => onProgress(tally))
    if (end === 'given-up')
      throw new CodedError(
        'MONEY_UNAVAILABLE',
        `the Money API does not answer; ${tally.checked} gifts were asked about`,
      )
    if (rows.length < PAGE_SIZE) return tally
    afterId = rows.at(-1)?.id ?? afterId
  }
}

export interface UnknownRoundDeps extends UnknownDeps {
  retryJobs: Pick<RetryJobs, 'revive' | 'remove'>
  /** Pause after the first check; doubled with each, up to six hours. */
  recheckMs: number
  logger: Logger
}

/**
 * A turn of the round that checks UNKNOWN gifts: those whose time has come, at most `limit`; without `hasTime` (the process
 * stops) the rest stay due. @returns how many there were.
 */
export async function checkDueUnknown(deps: UnknownRoundDeps, limit: number, hasTime: () => boolean): Promise<number> {
  const { kysely, logger } = deps
  const due = await listDueChecks(kysely, limit)
  const tally: UnknownTally = { checked: 0, succeeded: 0, uncharged: 0, unanswered: 0 }
  const { ask = [], retry = [], forget = [] } = Object.groupBy(due, whatToDo)
  for (const gift of forget) await forgetCheck(kysely, gift)
  await keepRetrying(retry, deps)
  const succeeded: UnknownGift[] = []
  const settle = async (gift: UnknownGift, answer: Answer) => {
    if (answer !== 'succeeded') return postpone(gift, deps, answer === 'uncharged')
    succeeded.push(gift)
    await forgetCheck(kysely, gift)
  }
  await askAll(ask, deps, tally, settle, hasTime)
  if (tally.checked > 0) logger.info(tally, 'UNKNOWN gifts were asked about')
  await dropJobs([...forget, ...succeeded], deps)
  return due.length
}

function whatToDo({ status }: UnknownGift): 'ask' | 'retry' | 'forget' {
  if (status === 'UNKNOWN') return 'ask'
  return status === 'RETRYING' || status === 'PENDING' ? 'retry' : 'forget'
}

/** Those that a person has sent to be retried: their jobs must not be lost, not even after their promotion has completed. */
async function keepRetrying(gifts: readonly UnknownGift[], deps: UnknownRoundDeps): Promise<void> {
  if (gifts.length === 0) return
  const jobs = gifts.map(({ type, promotionId, targetId }) => ({ data: { type, promotionId, targetId }, attempts: 1 }))
  try {
    await deps.retryJobs.revive(jobs)
    for (const gift of gifts) await postpone(gift, deps, false)
  } catch (error) {
    // A Redis that is away keeps nobody from asking about the others; these come round again soon.
    deps.logger.warn({ err: toError(error) }, `retry jobs could not be looked after: ${errorLine(error)}`)
    for (const gift of gifts) await postponeCheck(deps.kysely, gift, deps.recheckMs)
  }
}

/** Nobody has to look at the failed jobs of gifts that are settled; those that stay now upkeep's sweep removes. */
async function dropJobs(gifts: readonly UnknownGift[], { retryJobs, logger }: UnknownRoundDeps): Promise<void> {
  const final = gifts.filter(({ status }) => status !== null)
  if (final.length === 0) return
  await retryJobs.remove(final).catch(error => {
    logger.debug({ err: toError(error) }, `failed jobs of settled gifts stay for now: ${errorLine(error)}`)
  })
}

/** Only an answer makes the pause grow. */
function postpone(gift: UnknownGift, { kysely, recheckMs }: UnknownRoundDeps, isAnswered: boolean): Promise<void> {
  const checks = isAnswered ? gift.checks + 1 : gift.checks
  return postponeCheck(kysely, { ...gift, checks }, recheckPauseMs(gift.checks, recheckMs))
}

export function recheckPauseMs(checks: number, baseMs: number): number {
  return Math.min(MAX_PAUSE_MS, baseMs * 2 ** checks)
}
