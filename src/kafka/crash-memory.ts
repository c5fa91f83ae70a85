import { CodedError } from '#runtime/errors.ts'

/** A consumer that crashed more than once within this time goes on crashing, for all that is known, in ms. */
const CRASH_LOOP_MS = 30_000

/** What a consumer that crashes and joins again, and again, is to be believed. */
export class CrashMemory {
  #crashedAtMs: number[] = []
  #isAway = false

  crashed(): void {
    const nowMs = performance.now()
    this.#crashedAtMs = [...this.#recent(nowMs), nowMs]
    this.#isAway = true
  }

  joined(): void {
    this.#isAway = false
  }

  /** Throws while the consumer is out of its group after a crash, or keeps crashing. */
  assertSteady(): void {
    if (this.#isAway) throw new CodedError('KAFKA_CRASHED', 'has crashed and is not back yet')
    const crashes = this.#recent(performance.now()).length
    if (crashes < 2) return
    throw new CodedError('KAFKA_CRASH_LOOP', `has crashed ${crashes} times in the last ${CRASH_LOOP_MS / 1000} s`)
  }

  #recent(nowMs: number): number[] {
    return this.#crashedAtMs.filter(atMs => nowMs - atMs < CRASH_LOOP_MS)
  }
}
