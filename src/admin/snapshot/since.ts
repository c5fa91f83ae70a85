import { LRUCache } from 'lru-cache'
import type { Bottleneck } from './bottleneck.ts'

interface WithBottlenecks {
  id: string
  bottlenecks: Bottleneck[]
}

const MAX_PROMOTIONS = 10_000

/** Remembers since when a promotion has had each of its bottlenecks; one that is gone begins anew when it comes back. */
export function createSince(now: () => number = Date.now): <View extends WithBottlenecks>(view: View) => View {
  const known = new LRUCache<string, ReadonlyMap<string, string>>({ max: MAX_PROMOTIONS })
  return view => {
    const before = known.get(view.id)
    const bottlenecks = view.bottlenecks.map(bottleneck => ({
      ...bottleneck,
      since: before?.get(bottleneck.code) ?? new Date(now()).toISOString(),
    }))
    known.set(view.id, new Map(bottlenecks.map(({ code, since }) => [code, since])))
    return { ...view, bottlenecks }
  }
}
