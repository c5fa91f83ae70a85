import { armCrash } from './crash-points.ts'
import { bugEdits } from './planted-bugs.ts'
import { loadEdited, type SourceEdit } from './source-edits.ts'

/** What a production start refuses: a crash to come (`PROMOSTREAM_CRASH_AT`) and bugs (`PROMOSTREAM_PLANT`, by commas). */
export function armTestBuild(): void {
  const { PROMOSTREAM_CRASH_AT: crash, PROMOSTREAM_PLANT: plant } = process.env
  delete process.env.PROMOSTREAM_CRASH_AT
  delete process.env.PROMOSTREAM_PLANT
  const edits: SourceEdit[] = crash ? [armCrash(crash)] : []
  if (plant) edits.push(...plant.split(',').flatMap(name => bugEdits(name)))
  if (edits.length > 0) loadEdited(edits)
}
