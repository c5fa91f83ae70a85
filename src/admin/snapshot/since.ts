import { LRUCache } from 'lru-cache'
import { type Bottleneck, type BottleneckCode, good } from './cause.ts'

interface WithBottlenecks {
  id: string
  slots: number
  slotsInUse: number
  /** Gifts that have been settled. */
  done: number
  bottlenecks: Bottleneck[]
}

const MAX_PROMOTIONS = 10_000
/** What every healthy promotion has for a moment, between two batches, is told only when it stays. */
const PASSING = new Set<BottleneckCode>(['starting', 'kafka-lag', 'only-retries', 'waiting-for-gifts'])
const PASSES_WITHIN_MS = 2000
/** What says that nothing moves: two looks may each fall between two batches while gifts are paid all the time. */
const STILL = new Set<BottleneckCode>(['starting', 'waiting-for-gifts'])

interface Known {
  since: ReadonlyMap<string, number>
  done: number
  /** When `done` was last seen to have changed. */
  movedAtMs: number
}

/**
 * Remembers since when a promotion has had each of its bottlenecks, and leaves out what may pass in a moment; one that is
 * gone begins anew when it comes back.
 */
export function createSince(now: () => number = Date.now): <View extends WithBottlenecks>(view: View) => View {
  const known = new LRUCache<string, Known>({ max: MAX_PROMOTIONS })
  return view => {
    const before = known.get(view.id)
    const hasMoved = before !== undefined && before.done !== view.done
    const movedAtMs = hasMoved ? now() : (before?.movedAtMs ?? Number.NEGATIVE_INFINITY)
    const begunAtMs = ({ code, isSmall = false }: Bottleneck) => {
      const sinceMs = before?.since.get(code) ?? now()
      return isSmall || STILL.has(code) ? Math.max(sinceMs, movedAtMs) : sinceMs
    }
    const seen = new Map(view.bottlenecks.map(bottleneck => [bottleneck.code, begunAtMs(bottleneck)]))
    known.set(view.id, { since: seen, done: view.done, movedAtMs })
    // One that nobody has looked at before shows what it is like at once.
    const isPassing = ({ code }: Bottleneck) =>
      before !== undefined && PASSING.has(code) && now() - (seen.get(code) ?? 0) < PASSES_WITHIN_MS
    const told = view.bottlenecks.filter(bottleneck => !isPassing(bottleneck))
    const bottlenecks = (told.length > 0 ? told : [nothing(view)]).map(bottleneck => ({
      ...bottleneck,
      since: bottleneck.since ?? new Date(seen.get(bottleneck.code) ?? now()).toISOString(),
    }))
    return { ...view, bottlenecks }
  }
}

function nothing({ slots, slotsInUse }: WithBottlenecks): Bottleneck {
  return good('none', t => t.bottleneck.running(slotsInUse, slots))
}
