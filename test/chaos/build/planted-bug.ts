import type { SourceEdit } from './source-edits.ts'

/** What the judge of fault runs asks: see docs/reliability.md. */
export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7'

/** A bug that somebody could write, and who has to notice it. */
export interface PlantedBug {
  /**
   * Each is an edit of the product's sources on their way into the processes of the test build (`last-write-wins`: of the
   * rows that the simulation has in PostgreSQL's place).
   */
  edits: readonly SourceEdit[]
  /** `simulation`, the name of a scenario, or a test: of what is neither simulated nor broken by faults to processes. */
  caughtBy: string | NamedTest
  /** The invariant that has to be among what its scenario finds violated. */
  breaks?: Invariant
}

export interface NamedTest {
  project: 'unit' | 'integration'
  path: string
  title: string
}

export const edit = (file: string, find: string, put: string): SourceEdit => ({ file, find, put })
