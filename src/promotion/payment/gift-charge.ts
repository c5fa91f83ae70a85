import type { GiftRow } from '#database/gifts/gift.ts'
import { isKeyOld, toChargeRequest } from '#money/charge.ts'
import type { ChargeOutcome, MoneyCampaignChargeApi } from '#money/charge-api.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { annotateSpan, isTracing } from '#runtime/tracing.ts'
import type { Canary } from './canary.ts'

export interface GiftChargeDeps {
  moneyCampaignChargeApi: Pick<MoneyCampaignChargeApi, 'charge'>
  /** Where the first gifts of a promotion are confirmed before the others are paid. */
  canary?: Canary | undefined
  settings: AttemptSettings
}

export interface AttemptSettings {
  /** POSTs in all, the first included. */
  maxAttempts: number
  /** How long the Money API remembers a key, in ms. */
  keyTtlMs: number
}

/** One attempt to pay what a row says; the key is the target's, so that every attempt is the same charge. */
export function chargeGift(
  type: PromotionType,
  row: GiftRow,
  { moneyCampaignChargeApi, canary, settings }: GiftChargeDeps,
  { signal, mayCall }: { signal: AbortSignal | undefined; mayCall(): boolean | Promise<boolean> },
): Promise<ChargeOutcome> {
  const isOld = isKeyOld(row, settings.keyTtlMs)
  if (isTracing()) annotateSpan(giftAttributes(type, row))
  const charge = () =>
    moneyCampaignChargeApi.charge(toChargeRequest(type, row), {
      ...(signal === undefined ? {} : { signal }),
      lookFirst: row.askFirst || isOld,
      isYoung: !isOld,
      isFirst: row.attempts === 0,
      isLast: row.attempts + 1 >= settings.maxAttempts,
      mayCall,
    })
  return canary === undefined || canary.hasPassed(row.promotionId) ? charge() : canary.around(type, row, charge)
}

/** Has the attempt that ended so used up what a gift may have? While the Money API is down nobody's are. */
export function isExhausted(
  row: GiftRow,
  { posts, isOutage }: ChargeOutcome & { kind: 'unsettled' },
  { maxAttempts }: AttemptSettings,
): boolean {
  return row.attempts + posts >= maxAttempts && !isOutage
}

/** Why the row stays as it is. */
export function reasonOf(outcome: ChargeOutcome & { kind: 'unauthorized' | 'blocked' | 'aborted' }): string {
  switch (outcome.kind) {
    case 'unauthorized':
      return `Money API refuses our credentials (${outcome.code})`
    case 'blocked':
      return outcome.reason
    case 'aborted':
      return 'stopping'
  }
}

/** By which a trace is found that begins here: that of an entry which refill has added. */
function giftAttributes(type: PromotionType, { promotionId, targetId, attempts }: GiftRow) {
  return {
    'promostream.type': type,
    'promostream.promotion.id': promotionId,
    'promostream.target.id': targetId,
    'promostream.attempts': attempts,
  }
}
