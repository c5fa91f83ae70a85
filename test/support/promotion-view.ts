import type { PromotionView } from '#admin/snapshot/sampler.ts'

/** A promotion under way as the pages get it: 61 of 200 gifts are done. */
export const promotionView = {
  ...{ id: '42', name: 'Autumn', type: 'VOUCHER', status: 'IN_PROGRESS', totalCount: 200, rows: 200 },
  ...{ startedAt: '2026-11-25T11:50:00.000Z', finishedAt: null, done: 61, expected: 200, active: 5, waiting: 134 },
  gifts: { PENDING: 139, RETRYING: 0, SUCCESS: 61, FAILED: 0, UNKNOWN: 0 },
  ...{ oldestLeasedS: 0, slots: 10, slotsInUse: 5, perSecond: 0, eta: null, verdict: null, bottlenecks: [] },
} as unknown as PromotionView
