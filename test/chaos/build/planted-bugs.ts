import { BUGS_IN_PROCESSES } from './bugs-in-processes.ts'
import { BUGS_OF_ONE_TEST } from './bugs-of-one-test.ts'
import { SIMULATED_BUGS } from './bugs-simulated.ts'
import type { PlantedBug } from './planted-bug.ts'
import type { SourceEdit } from './source-edits.ts'

export const PLANTED_BUGS: Readonly<Record<string, PlantedBug>> = {
  ...SIMULATED_BUGS,
  ...BUGS_IN_PROCESSES,
  ...BUGS_OF_ONE_TEST,
}

export function bugEdits(name: string): readonly SourceEdit[] {
  const bug = PLANTED_BUGS[name]
  if (bug === undefined) throw new Error(`PROMOSTREAM_PLANT: ${name} is none of ${Object.keys(PLANTED_BUGS)}`)
  return bug.edits
}
