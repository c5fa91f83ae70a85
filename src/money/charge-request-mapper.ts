import type { ChargeRequest } from './charge.ts'

/** The part of a result row that a charge is built from. */
export type ChargeableRow = Omit<ChargeRequest, 'type'>

/** The planning documents' `CampaignChargeRequestMapper`: what is paid is what the row says. */
export function toChargeRequest(type: string, row: ChargeableRow): ChargeRequest {
  const { promotionId, targetId, memberId, amount } = row
  return { type, promotionId, targetId, memberId, amount }
}
