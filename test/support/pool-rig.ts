import type { StreamPool } from '#stream/pool.ts'
import type { PoolMember, ReadResult } from '#stream/pool-member.ts'

export interface MemberOptions {
  concurrency?: number
  /** What its reads find, one after the other; then `empty`. */
  answers?: (ReadResult | Promise<ReadResult>)[]
  ready?: number
}

/** A worker of the pool whose reads take as many entries as it has slots, and are answered by what the test says. */
export function joined(pool: StreamPool, stream: string, { concurrency = 32, answers = [], ready = 0 }: MemberOptions) {
  const told = { reads: [] as number[], begun: 0, caughtUp: 0, maintained: 0 }
  const state = { used: 0, ready, isDue: false }
  const member = {
    stream,
    concurrency,
    weight: 1,
    seenId: '0-0',
    get ready() {
      return state.ready
    },
    get active() {
      return state.used
    },
    get free() {
      return concurrency - state.used
    },
    get canRead() {
      return state.used < concurrency
    },
    take: async (slots: number, mayRead: boolean): Promise<ReadResult> => {
      state.used += slots
      if (!mayRead) {
        told.begun += slots
        state.ready -= slots
        return 'none'
      }
      told.reads.push(slots)
      return answers.shift() ?? 'empty'
    },
    catchUp: async () => void told.caughtUp++,
    setQueuePaused: () => undefined,
    isDue: () => state.isDue,
    maintain: async () => void told.maintained++,
    reportError: () => undefined,
  } satisfies PoolMember
  pool.add(member)
  return { member, told, state }
}
