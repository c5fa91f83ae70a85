import { globSync, readFileSync } from 'node:fs'
import { type Mutant, mutantsOf } from './draw.ts'

/** Where a bug costs money, or a gift. */
const ROOMS = 'src/{promotion,database,money,kafka,listeners,stream,admin/security}/**/*.ts'

/** Every mutant there is, in the order of the files' names. */
export function allMutants(): Mutant[] {
  const files = globSync(ROOMS).filter(file => !file.includes('/migrations/'))
  return files.sort().flatMap(file => mutantsOf(file, readFileSync(file, 'utf8')))
}
