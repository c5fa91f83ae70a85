import { jest } from '@jest/globals'
import { ConsumerWork } from '#stream/consumer-work.ts'
import { isNoGroup } from '#stream/errors.ts'
import { ConsumerGroup } from '#stream/group.ts'
import { deadLetter, type Outcome as HandlerOutcome, retryLater, type StreamConnection } from '#stream/index.ts'
import type { MemoryLink } from '#stream/memory/memory-client.ts'
import { createMemoryConnection } from '#stream/memory/memory-connection.ts'
import { MemoryServer } from '#stream/memory/memory-server.ts'
import { StoredDelays } from '#stream/stored-delays.ts'
import { SuspectLane } from '#stream/suspect-lane.ts'

export type Outcome = 'done' | 'later' | 'fail' | 'dead'

const [STREAM, GROUP] = ['s', 'g']
const MIN_IDLE_MS = 10_000

interface Running {
  id: string
  settle: PromiseWithResolvers<HandlerOutcome | undefined>
}

/** A consumer's real work between a server inside the process, which can be made to misbehave, and handlers that wait. */
export class WorkModel {
  readonly #server: MemoryServer
  readonly #abort = new AbortController()
  readonly #running: Running[] = []
  readonly #twice: string[] = []
  readonly #ghosts: string[] = []
  #nowMs = 1_000_000
  #copy: ReturnType<MemoryServer['keys']['snapshot']>
  #losses = 0
  #added = 0
  #group!: ConsumerGroup
  isClosed = false
  work!: ConsumerWork<Record<string, string>>
  /** How often the server handed out what runs here. */
  handedOutAgain = 0

  private constructor() {
    this.#server = new MemoryServer({ clock: () => this.#nowMs })
    this.#copy = this.#server.keys.snapshot()
  }

  static async start(concurrency: number): Promise<WorkModel> {
    const model = new WorkModel()
    const connection = createMemoryConnection(model.#server, { link: model.#link() })
    await connection.ready()
    const group = new ConsumerGroup(connection, { stream: STREAM, group: GROUP, consumer: 'me' })
    await group.ensure()
    model.#group = group
    model.work = model.#workOf(connection, group, concurrency)
    model.work.open()
    return model
  }

  /** Answers come in the same turn; one that is to be lost comes as a failure of what was done. */
  #link(): MemoryLink {
    return {
      connect: () => Promise.resolve(),
      carry: (_command, execute, settle) =>
        queueMicrotask(() => {
          const answer = execute()
          if (this.#losses === 0) return settle(answer)
          this.#losses -= 1
          settle({ error: new Error('Command timed out') })
        }),
    }
  }

  #workOf(connection: StreamConnection, group: ConsumerGroup, concurrency: number) {
    const nothing = () => undefined
    return new ConsumerWork<Record<string, string>>({
      stream: STREAM,
      handler: ({ id, fields }) => {
        if (fields.n === undefined) this.#ghosts.push(id)
        if (this.#running.some(running => running.id === id)) this.#twice.push(id)
        const settle = Promise.withResolvers<HandlerOutcome | undefined>()
        this.#running.push({ id, settle })
        return settle.promise
      },
      options: {
        concurrency,
        readCount: 2,
        claimMinIdleMs: MIN_IDLE_MS,
        maxDeliveries: 3,
        maxBackoffMs: 100,
        isNamed: false,
        onPoison: nothing,
      },
      group: this.#watched(group),
      limiter: undefined,
      delays: new StoredDelays(connection, STREAM, nothing),
      lane: new SuspectLane(),
      signal: this.#abort.signal,
      announce: nothing,
      writeDeadLetter: () => Promise.resolve(),
      isUsable: () => true,
      wake: nothing,
      onFreed: nothing,
      onReadFailed: () => group.ensure().catch(nothing),
      onOtherGroup: nothing,
      onError: nothing,
    })
  }

  #watched(group: ConsumerGroup): ConsumerGroup {
    const read = group.read.bind(group)
    return Object.assign(group, {
      read: async (count: number) => {
        const entries = await read(count)
        const isRunning = (id: string) => this.#running.some(running => running.id === id)
        this.handedOutAgain += entries.filter(([id]) => isRunning(id)).length
        return entries
      },
    })
  }

  #ask(...command: string[]): unknown {
    const answer = this.#server.execute(command)
    return 'reply' in answer ? answer.reply : []
  }

  /** What must never be, where it is. */
  broken(concurrency: number): string[] {
    const { inFlight, active, reader } = this.work
    const faults = this.#twice.map(id => `${id} runs twice`)
    faults.push(...this.#ghosts.map(id => `${id} runs although it was deleted`))
    if (inFlight < 0 || inFlight > concurrency) faults.push(`${inFlight} in flight`)
    if (active < 0 || active > concurrency) faults.push(`${active} slots in use`)
    if (reader.reading < 0) faults.push(`${reader.reading} being read`)
    if (!this.isClosed && this.#running.length > concurrency) faults.push(`${this.#running.length} handlers`)
    return faults
  }

  turn(): Promise<void> {
    return new Promise(resolve => void setImmediate(resolve))
  }

  add(count: number): void {
    for (let left = count; left > 0; left--) this.#ask('XADD', STREAM, '*', 'n', String(this.#added++))
  }

  /** As the pool would: what is at hand first, then by a read where it may. */
  read(): void {
    const { free, ready, canRead, reader, concurrency } = this.work
    const mayRead = canRead && (reader.reading === 0 || free * 2 >= concurrency)
    void this.work.take(mayRead ? free : Math.min(ready, free), mayRead)
  }

  end(at: number, how: Outcome): void {
    const [running] = this.#running.splice(at % Math.max(1, this.#running.length), 1)
    if (running === undefined) return
    if (how === 'fail') running.settle.reject(new Error('boom'))
    else if (how === 'later') running.settle.resolve(retryLater({ delayMs: 500, reason: 'not now' }))
    else if (how === 'dead') running.settle.resolve(deadLetter('no'))
    else running.settle.resolve(undefined)
  }

  async endAll(): Promise<void> {
    while (this.#running.length > 0) this.end(0, 'done')
    await this.turn()
  }

  maintain(laterMs: number): void {
    this.#nowMs += laterMs
    // As the consumer does it: a group that is gone is made again.
    const round = this.work.maintain(performance.now() + laterMs, false)
    round.catch(error => (isNoGroup(error) ? this.#group.ensure() : undefined)).catch(() => undefined)
  }

  wait(ms: number): void {
    this.#nowMs += ms
    jest.advanceTimersByTime(ms)
  }

  keepCopy(): void {
    this.#copy = this.#server.keys.snapshot()
  }

  restoreCopy(): void {
    this.#server.keys.restore(this.#copy)
    this.work.recovery.scanOwn()
  }

  loseAnswers(count = 1): void {
    this.#losses = count
  }

  destroyGroup(): void {
    this.#ask('XGROUP', 'DESTROY', STREAM, GROUP)
  }

  remakeGroup(): void {
    this.destroyGroup()
    this.#ask('XGROUP', 'CREATE', STREAM, GROUP, '0', 'MKSTREAM')
  }

  giveToOther(at: number): void {
    const rows = this.#ask('XPENDING', STREAM, GROUP, '-', '+', '100') as [string][]
    const row = rows[at % Math.max(1, rows.length)]
    if (row !== undefined) this.#ask('XCLAIM', STREAM, GROUP, 'other', '0', row[0])
  }

  /** Whoever has it, or nobody. */
  deleteEntry(at: number): void {
    const entries = this.#ask('XRANGE', STREAM, '-', '+') as [string][]
    const entry = entries[at % Math.max(1, entries.length)]
    if (entry !== undefined) this.#ask('XDEL', STREAM, entry[0])
  }

  /** The oldest go, whoever has them. */
  trim(left: number): void {
    this.#ask('XTRIM', STREAM, 'MAXLEN', '=', String(left))
  }

  /** What a dead consumer left is gone from the stream: its pending marks are there to be claimed. */
  otherReadsWhatGoes(): void {
    this.otherReads()
    const rows = this.#ask('XPENDING', STREAM, GROUP, '-', '+', '10', 'other') as [string][]
    for (const [id] of rows) this.#ask('XDEL', STREAM, id)
  }

  otherReads(): void {
    this.#ask('XREADGROUP', 'GROUP', GROUP, 'other', 'COUNT', '3', 'STREAMS', STREAM, '>')
    this.#nowMs += 2 * MIN_IDLE_MS
  }

  /** As a worker closes; handlers that still run are told to stop, and do not listen. */
  async close(): Promise<void> {
    this.isClosed = true
    this.work.shut()
    this.#abort.abort()
    const idle = this.#running.length === 0 ? this.work.whenIdle() : Promise.resolve()
    await this.#soon(idle.then(() => this.work.whenAcknowledged()))
    await this.#soon(this.work.leave())
  }

  /** Fails unless it ends; timers run out meanwhile. */
  async #soon(work: Promise<unknown>): Promise<void> {
    let isOver = false
    void work.then(() => {
      isOver = true
    })
    for (let turns = 0; !isOver; turns++) {
      if (turns > 100) throw new Error('close does not end')
      await this.turn()
      jest.advanceTimersByTime(1000)
    }
  }
}
