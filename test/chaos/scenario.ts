import type { Random } from '../simulation/random.ts'
import type { ChaosOptions, ChaosSystem } from '../support/chaos.ts'

/** What a scenario is given. */
export interface ChaosRun {
  /** Gifts, roughly; a scenario of several promotions divides them. */
  messages: number
  /** Every chance is drawn here, so that the same seed makes the same faults. */
  random: Random
  /** An installation of its own, which the judge looks at when the scenario has ended. At most once. */
  start(options?: ChaosOptions): Promise<ChaosSystem>
}

/** What a scenario has seen. */
export interface Findings {
  /** What was measured, for the verdict line. */
  figures: Record<string, unknown>
  /** Figures against what they must be; a name that is false is a violation. */
  checks: Record<string, boolean>
}

/** One kind of fault, done to a whole installation. Draining it, judging it and taking it down is the runner's. */
export interface Scenario {
  about: string
  /** Unless `--messages` says otherwise. */
  messages: number
  /** POSTs beyond one a gift that the faults explain beside the kills and what the Money API spoiled; default 0. */
  repeats?: number
  run(run: ChaosRun): Promise<Findings>
}
