import { LRUCache } from 'lru-cache'
import { type Estimate, estimate, type Sample, WINDOW_MS } from './rate.ts'

/** One point of a promotion's plot. */
export interface HistoryPoint {
  /** Seconds since the epoch. */
  at: number
  perSecond: number
  /** Mean time of a gift in a slot, in ms: slots in use ÷ rate (Little's law); null while nothing moves. */
  latencyMs: number | null
}

interface Track {
  samples: Sample[]
  points: HistoryPoint[]
}

interface Watched {
  id: string
  done: number
  expected: number
  slotsInUse: number
}

export interface PromotionHistory {
  add(promotion: Watched, nowMs: number): Estimate
  points(promotionId: string): readonly HistoryPoint[]
}

const MAX_PROMOTIONS = 300
const MAX_POINTS = 600

/** The last minute of each promotion for its rate, and ten minutes of points for its plot; in this process only. */
export function createPromotionHistory(): PromotionHistory {
  const tracks = new LRUCache<string, Track>({ max: MAX_PROMOTIONS })
  return {
    add: ({ id, done, expected, slotsInUse }, nowMs) => {
      const track = tracks.get(id) ?? { samples: [], points: [] }
      tracks.set(id, track)
      track.samples.push({ atMs: nowMs, done })
      while ((track.samples[0] as Sample).atMs < nowMs - WINDOW_MS) track.samples.shift()
      const { perSecond, eta } = estimate(track.samples, expected - done)
      const latencyMs = perSecond > 0 && slotsInUse > 0 ? Math.round((slotsInUse / perSecond) * 1000) : null
      track.points.push({ at: Math.round(Date.now() / 1000), perSecond: Math.round(perSecond), latencyMs })
      if (track.points.length > MAX_POINTS) track.points.shift()
      return { perSecond, eta }
    },
    points: promotionId => tracks.get(promotionId)?.points ?? [],
  }
}
