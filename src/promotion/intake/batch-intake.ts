import type { InsertOutcome, NewGift } from '#database/gifts/gift.ts'
import type { PromotionType } from '#queues/gift-types.ts'
import { toError } from '#runtime/errors.ts'
import {
  type DoStep,
  type GiftIntake,
  type IntakeDeps,
  isEnqueuing,
  newGift,
  type TakenMessage,
  type TopicOutcome,
} from './gift-intake.ts'
import { type GiftMessage, parseGift } from './gift-message.ts'

/** A message that can be a gift. */
interface Arrival {
  at: number
  message: TakenMessage
  gift: GiftMessage
  isAdmitted: boolean
}

interface BatchRun {
  messages: readonly TakenMessage[]
  doStep: DoStep
  onProgress(): void
  outcomes: TopicOutcome[]
  /** What went its own way. */
  alone: Promise<void>[]
}

/**
 * `GiftIntake.take` for a whole batch, with a promise for each step instead of a dozen for each message: what does not go
 * smoothly leaves the batch, and goes its own way message by message.
 */
export class BatchIntake {
  readonly #type: PromotionType
  readonly #deps: IntakeDeps
  readonly #intake: GiftIntake

  constructor(type: PromotionType, deps: IntakeDeps, intake: GiftIntake) {
    this.#type = type
    this.#deps = deps
    this.#intake = intake
  }

  /**
   * Resolves when the offsets may be committed, with what the messages became, in their order; rejects as `doStep` does.
   * `onProgress` is called whenever some of them have got on.
   */
  async takeAll(messages: readonly TakenMessage[], doStep: DoStep, onProgress: () => void): Promise<TopicOutcome[]> {
    const run: BatchRun = { messages, doStep, onProgress, outcomes: new Array(messages.length), alone: [] }
    const arrivals: Arrival[] = []
    for (const [at, message] of messages.entries()) {
      const parsed = parseGift(this.#type, message.json)
      if (parsed.ok)
        arrivals.push({ at, message, gift: parsed.message, isAdmitted: !this.#deps.settings.streamEnabled })
      else this.#leave(run, at)
    }
    const due = await this.#save(run, await this.#admit(run, arrivals))
    onProgress()
    await this.#forward(run, due)
    await Promise.all(run.alone)
    return run.outcomes
  }

  /** A place on the stream for as many as there are. Returns those of whom it is known. */
  async #admit(run: BatchRun, arrivals: readonly Arrival[]): Promise<readonly Arrival[]> {
    const { streamProducer, settings } = this.#deps
    if (!settings.streamEnabled) return arrivals
    const known: Arrival[] = []
    const admitted = this.#byStream(arrivals).map(async ([streamKey, gifts]) => {
      try {
        const places = await streamProducer.admitAll(streamKey, gifts.length)
        for (const [index, arrival] of gifts.entries()) arrival.isAdmitted = index < places
        known.push(...gifts)
      } catch {
        for (const { at } of gifts) this.#leave(run, at)
      }
    })
    await Promise.all(admitted)
    return known
  }

  /** Returns those that are to be forwarded. */
  async #save(run: BatchRun, arrivals: readonly Arrival[]): Promise<Arrival[]> {
    const gifts = arrivals.map(({ gift, message, isAdmitted }) => newGift(gift, message, isAdmitted))
    const saved = await this.#deps.results[this.#type].insertAll(gifts)
    const due: Arrival[] = []
    for (const [index, one] of saved.entries()) {
      const arrival = arrivals[index] as Arrival
      const outcome = one.status === 'fulfilled' ? one.value : undefined
      arrival.isAdmitted &&= isEnqueuing(outcome)
      if (outcome === undefined) this.#leave(run, arrival.at)
      else if (this.#account(run, arrival, outcome)) due.push(arrival)
    }
    if (this.#deps.settings.streamEnabled) this.#releaseUnused(arrivals, gifts)
    return due
  }

  /** Returns whether it is to be forwarded. */
  #account(run: BatchRun, { at, gift, message }: Arrival, saved: InsertOutcome): boolean {
    if (saved.kind === 'inserted' || saved.kind === 'duplicate') {
      run.outcomes[at] = saved.kind
      const accounted = this.#intake.account(saved, gift, message)
      return 'isDue' in accounted && accounted.isDue
    }
    const accounting = run.doStep(async () => this.#intake.account(saved, gift, message))
    const outcome = accounting.then(accounted => accounted.outcome)
    this.#goAlone(run, at, outcome)
    return false
  }

  #releaseUnused(arrivals: readonly Arrival[], gifts: readonly NewGift[]): void {
    const unused = arrivals.filter(({ isAdmitted }, index) => !isAdmitted && gifts[index]?.wantsEntry)
    for (const [streamKey, gone] of this.#byStream(unused)) this.#deps.streamProducer.release(streamKey, gone.length)
  }

  async #forward(run: BatchRun, due: readonly Arrival[]): Promise<void> {
    const { streamProducer, settings } = this.#deps
    const alone = ({ at, gift, message }: Arrival) => {
      const forwarded = run.doStep(() => this.#intake.forward(gift, message))
      const outcome = forwarded.then((): TopicOutcome => 'inserted')
      this.#goAlone(run, at, outcome)
    }
    if (!settings.streamEnabled) return due.forEach(alone)
    const enqueued = this.#byStream(due).map(async ([streamKey, gifts]) => {
      const entries = gifts.map(({ gift, message: { json, origin } }) => ({
        ...{ key: gift.partitionKey, message: json },
        ...(origin.traceparent === undefined ? {} : { traceparent: origin.traceparent }),
      }))
      const outcomes = await streamProducer.enqueueEach(streamKey, entries).catch(toError)
      for (const [index, arrival] of gifts.entries())
        if (outcomes instanceof Error || outcomes[index] instanceof Error) alone(arrival)
    })
    await Promise.all(enqueued)
  }

  #byStream(arrivals: readonly Arrival[]): [streamKey: string, Arrival[]][] {
    const { streamKey } = this.#deps.streams[this.#type]
    const byPromotion = Map.groupBy(arrivals, ({ gift }) => gift.promotionId)
    return [...byPromotion].map(([promotionId, gifts]) => [streamKey(promotionId), gifts])
  }

  #leave(run: BatchRun, at: number): void {
    const { json, origin } = run.messages[at] as TakenMessage
    this.#goAlone(run, at, this.#intake.take(json, origin, run.doStep))
  }

  #goAlone(run: BatchRun, at: number, work: Promise<TopicOutcome>): void {
    const settled = work.then(outcome => {
      run.outcomes[at] = outcome
      run.onProgress()
    })
    // It is waited for when the rest of the batch is through.
    settled.catch(() => undefined)
    run.alone.push(settled)
  }
}
