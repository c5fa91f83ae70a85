import { edit, type PlantedBug } from './planted-bug.ts'

/** What simulated worlds notice. */
export const SIMULATED_BUGS: Readonly<Record<string, PlantedBug>> = {
  'new-key-per-attempt': {
    caughtBy: 'simulation',
    edits: [
      edit(
        'src/money/charge.ts',
        '  return `${type}:${targetId}`\n',
        '  return `${type}:${targetId}:${Math.random()}`\n',
      ),
    ],
  },
  'group-at-the-end': {
    caughtBy: 'simulation',
    edits: [edit('src/stream/group.ts', "group, '0', 'MKSTREAM')", "group, '$', 'MKSTREAM')")],
  },
  'time-out-is-failed': {
    caughtBy: 'simulation',
    edits: [
      edit(
        'src/promotion/payment/gift-payment.ts',
        'const changed = await resultUpdateService.updateError(this.#type, row, { status, code, message, posts })',
        "const changed = await resultUpdateService.updateError(this.#type, row, { status: code === 'TIMEOUT' ? 'FAILED' : status, code, message, posts })",
      ),
    ],
  },
  'prefetch-over-free-slots': {
    caughtBy: 'simulation',
    edits: [
      edit(
        'src/stream/group.ts',
        "'COUNT', count, 'STREAMS', stream, '>')",
        "'COUNT', count + 200, 'STREAMS', stream, '>')",
      ),
    ],
  },
  'last-write-wins': {
    caughtBy: 'simulation',
    edits: [edit('test/simulation/rows-model.ts', 'const changed = isOpen ||', 'const changed = true || isOpen ||')],
  },
  'id-read-twice': {
    caughtBy: 'simulation',
    edits: [
      edit(
        'src/stream/stream-reader.ts',
        '        this.#o.repeated(id, askedAtMs)\n',
        '        this.#o.begin(leased.get(id) as never)\n',
      ),
    ],
  },
  'own-pending-not-drained': {
    caughtBy: 'simulation',
    edits: [
      edit(
        'src/stream/recovery.ts',
        '    if (this.#mustScanOwn && mayClaim) await this.#takeOwn()\n',
        '    if (this.#mustScanOwn && mayClaim) this.#mustScanOwn = false\n',
      ),
    ],
  },
  'poison-by-association': {
    caughtBy: 'simulation',
    edits: [edit('src/stream/suspect-lane.ts', 'return this.#running.size < most', 'return true')],
  },
  'failed-ack-forgotten': {
    caughtBy: 'simulation',
    edits: [edit('src/stream/acker.ts', '      this.#waiting.unshift(...items)\n', '')],
  },
  'refused-without-its-get': {
    caughtBy: 'simulation',
    edits: [
      edit(
        'src/money/charge-api.ts',
        'const found = await ask(key, posted, signal)',
        "const found: LookupMeaning = posted.kind === 'refused' ? { kind: 'no-charge' } : await ask(key, posted, signal)",
      ),
    ],
  },
  'latch-never-lifted': {
    caughtBy: 'simulation',
    edits: [
      edit(
        'src/money/credentials-latch.ts',
        '  #release(): void {\n    this.#refusal = undefined\n',
        '  #release(): void {\n    if (this.#refusal !== undefined) return\n',
      ),
    ],
  },
  'retry-exhausted-after-one': {
    caughtBy: 'simulation',
    edits: [
      edit(
        'src/promotion/payment/retry-processor.ts',
        'const isOver = isExhausted(row, error, settings)',
        'const isOver = true',
      ),
    ],
  },
}
