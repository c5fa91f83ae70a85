import { EntryRunner } from '#stream/entry-runner.ts'
import { type Lease, LeasedEntries } from '#stream/leased-entries.ts'
import { SuspectLane } from '#stream/suspect-lane.ts'

type Fields = Record<string, string>

/** A runner whose neighbours write down what they are told; the test says what they answer. */
export class RunnerRig {
  readonly told: string[] = []
  readonly leased = new LeasedEntries<Fields>()
  readonly lane = new SuspectLane()
  readonly abort = new AbortController()
  /** The errors of `failed` and `error`, in words. */
  readonly errors: string[] = []
  says: () => unknown = () => undefined
  counts: () => Promise<boolean> = () => Promise.resolve(true)
  takesBack: () => Promise<void> = () => Promise.resolve()
  writes: () => Promise<boolean> = () => Promise.resolve(true)
  readonly runner: EntryRunner<Fields>

  constructor({
    acquire,
    ...options
  }: { maxDeliveries?: number; backoffMs?: unknown; acquire?: () => Promise<number> } = {}) {
    const tell = (what: string) => void this.told.push(what)
    this.runner = new EntryRunner<Fields>({
      leased: this.leased,
      lane: this.lane,
      signal: this.abort.signal,
      options: { maxDeliveries: 3, maxBackoffMs: 200, ...options },
      limiter: acquire === undefined ? undefined : { acquire },
      handler: () => {
        tell('handler')
        return this.says()
      },
      counter: {
        count: () => {
          tell('count')
          return this.counts()
        },
        takeBack: (lease: Lease<Fields>) => {
          tell('take back')
          lease.isCounted = false
          return this.takesBack()
        },
        forgive: () => tell('forgive'),
      },
      announce: (name: string, ...[what, detail]: unknown[]) => {
        tell(name)
        if (name === 'completed') this.errors.push(`result: ${String(detail)}`)
        if (name === 'failed') this.errors.push(String((detail as Error).message))
        if (name === 'error') this.errors.push(String((what as Error).message))
      },
      acknowledge: () => tell('acknowledge'),
      letGo: () => tell('let go'),
      writeLetter: ({ letter, entry }: Lease<Fields>) => {
        tell(`letter after ${entry.deliveries}: ${letter?.reason}, ${letter?.isPoison ? 'poison' : 'no poison'}`)
        return this.writes()
      },
      storeDelay: (_: unknown, delayMs: number) => tell(`store ${delayMs}`),
      onFreed: () => tell('freed'),
      onReady: () => tell('ready'),
    } as never)
  }

  /** One that was read just now, or with so many bad ends before. */
  lease(deliveries = 1, state: 'ready' | 'suspect' = 'ready'): Lease<Fields> {
    const lease = this.leased.add({ id: '1-0', stream: 's', fields: {}, deliveries }, 0, state)
    if (lease === undefined) throw new Error('not leased')
    lease.isCounted = deliveries === 1
    return lease
  }

  async begin(lease: Lease<Fields>): Promise<void> {
    this.runner.begin(lease)
    await turn()
  }

  /** How many suspects may begin beside those that run now. */
  room(): number {
    let count = 0
    const one = () => ({ entry: { deliveries: 2 } })
    for (; count < 20 && this.lane.hasRoom(one(), 3, performance.now()); count++)
      this.lane.enter(one(), 3, performance.now())
    return count
  }
}

/** What was to be done without waiting is done. */
export const turn = (): Promise<void> => new Promise(resolve => void setImmediate(resolve))
