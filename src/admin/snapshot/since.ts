import { LRUCache } from 'lru-cache'
import { type Bottleneck, type BottleneckCode, good } from './cause.ts'

interface WithBottlenecks {
  id: string
  slots: number
  slotsInUse: number
  bottlenecks: Bottleneck[]
}

const MAX_PROMOTIONS = 10_000
/** What every healthy promotion has for a moment, between two batches, is told only when it stays. */
const PASSING = new Set<BottleneckCode>(['starting', 'kafka-lag', 'only-retries', 'waiting-for-gifts'])
const PASSES_WITHIN_MS = 2000

/**
 * Remembers since when a promotion has had each of its bottlenecks, and leaves out what may pass in a moment; one that is
 * gone begins anew when it comes back.
 */
export function createSince(now: () => number = Date.now): <View extends WithBottlenecks>(view: View) => View {
  const known = new LRUCache<string, ReadonlyMap<string, number>>({ max: MAX_PROMOTIONS })
  return view => {
    const before = known.get(view.id)
    const seen = new Map(view.bottlenecks.map(({ code }) => [code, before?.get(code) ?? now()]))
    known.set(view.id, seen)
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
