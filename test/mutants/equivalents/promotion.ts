import type { Equivalent } from '../equivalent.ts'

/** Of what is done with promotions and gifts. */
export const IN_PROMOTION: readonly Equivalent[] = [
  {
    file: 'src/promotion/audit/audit.ts',
    line: 'if (promotionIds.length === 0) return',
    before: 'promotionIds.length === 0',
    after: 'false',
    why: 'of none asked for none is unknown: only slower',
  },
  {
    file: 'src/promotion/audit/discrepancies.ts',
    line: 'if (kept.length < this.#limit) kept.push(discrepancy)',
    before: 'kept.length < this.#limit',
    after: 'true',
    why: 'never more than the limit are listed, however many are kept: only memory',
  },
  {
    file: 'src/promotion/audit/discrepancies.ts',
    line: 'if (kept.length < this.#limit) kept.push(discrepancy)',
    before: '<',
    after: '<=',
    why: 'never more than the limit are listed, however many are kept: only memory',
  },
  {
    file: 'src/promotion/audit/messages/messages.ts',
    line: 'if (type === undefined) continue',
    before: 'type === undefined',
    after: 'false',
    why: 'no other topics are read than those of the types',
  },
  {
    file: 'src/promotion/audit/unfinished.ts',
    line: 'if (row >= 0) tables[type].mark(row, MARK.onStream)',
    before: 'row >= 0',
    after: 'true',
    why: 'a typed array has no place -1, and a mark there is lost',
  },
  {
    file: 'src/promotion/intake/gift-message.ts',
    line: "if (typeof value !== 'object' || value === null) return undefined",
    before: '!==',
    after: '===',
    why: 'what is not told without the schema is told by it, and the same: only slower',
  },
  {
    file: 'src/promotion/payment/retry-jobs.ts',
    line: "queue.on('error', () => undefined)",
    before: "queue.on('error', () => undefined)",
    after: ';',
    why: 'BullMQ catches an event that nobody hears, and prints it',
  },
  {
    file: 'src/promotion/seal/seal.ts',
    line: 'const rows = chunk < 0 ? [] : await rowsOfChunk(kysely, promotion, seal, chunk)',
    before: 'chunk < 0',
    after: 'false',
    why: 'no root stands at -1: what is read there is refused all the same',
  },
  {
    file: 'src/promotion/seal/seal.ts',
    line: 'if ((await listToSeal(kysely, 1)).length === 0) return',
    before: '(await listToSeal(kysely, 1)).length === 0',
    after: 'false',
    why: 'it finds nothing to seal behind the lock too: only dearer',
  },
  {
    file: 'src/promotion/upkeep/upkeep.ts',
    line: 'if (!hasTime() || performance.now() > endMs) return',
    before: '>',
    after: '>=',
    why: 'a clock of microseconds does not stand at that very moment',
  },
]
