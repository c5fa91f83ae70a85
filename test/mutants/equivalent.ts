import type { Mutant } from './draw.ts'
import { IN_MEMORY_SERVER } from './equivalents/memory-server.ts'
import { ELSEWHERE } from './equivalents/others.ts'
import { IN_PROMOTION } from './equivalents/promotion.ts'
import { IN_STREAM } from './equivalents/stream.ts'

/** A change that no test can notice, because the product does the same with it. */
export interface Equivalent {
  file: string
  /** The line as it stands, without the white space around it. */
  line: string
  before: string
  after: string
  why: string
}

/** These are not counted. `npm test` tells which of them stand for no mutant any more. */
export const EQUIVALENT: readonly Equivalent[] = [...IN_STREAM, ...IN_MEMORY_SERVER, ...IN_PROMOTION, ...ELSEWHERE]

export function isEquivalent({ file, lineText, before, after }: Mutant): boolean {
  return EQUIVALENT.some(
    known => known.file === file && known.line === lineText && known.before === before.trim() && known.after === after,
  )
}
