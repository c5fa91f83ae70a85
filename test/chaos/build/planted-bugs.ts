import type { SourceEdit } from './source-edits.ts'

/** A bug that somebody could write, and who has to notice it. */
export interface PlantedBug {
  edits: readonly SourceEdit[]
  /** `simulation`, or the name of a scenario. */
  caughtBy: string
}

/**
 * Each is an edit of the product's sources on their way into the processes of the test build (`last-write-wins`: of the
 * rows that the simulation has in PostgreSQL's place).
 */
const edit = (file: string, find: string, put: string): SourceEdit => ({ file, find, put })

export const PLANTED_BUGS: Readonly<Record<string, PlantedBug>> = {
  'ack-before-commit': {
    caughtBy: 'bare',
    edits: [
      edit(
        'src/promotion/payment/processor.ts',
        '        await this.updateSuccess(row, outcome.transactionKey, outcome.posts)\n',
        '        void this.updateSuccess(row, outcome.transactionKey, outcome.posts).catch(() => undefined)\n',
      ),
    ],
  },
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
  'no-unique-key': {
    caughtBy: 'insert-kills',
    edits: [
      edit('src/database/gifts/result-insert.ts', 'on conflict (${target}) do nothing', 'on conflict do nothing'),
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
        'src/promotion/payment/processor.ts',
        'const changed = await this.updateError(row, { status, code, message, posts })',
        "const changed = await this.updateError(row, { status: code === 'TIMEOUT' ? 'FAILED' : status, code, message, posts })",
      ),
    ],
  },
  'ids-as-numbers': {
    caughtBy: 'odd-messages',
    edits: [
      edit(
        'src/runtime/exact-json.ts',
        'rawJson(context.source) : value',
        'rawJson(Number.isInteger(value) ? BigInt(value).toString() : context.source) : value',
      ),
    ],
  },
  'no-80-percent-bound': {
    caughtBy: 'bare',
    edits: [
      edit('src/promotion/intake/stream-producer.ts', 'const FULL_SHARE = 0.8', 'const FULL_SHARE = 1e9'),
      edit('src/promotion/upkeep/refill.ts', 'Math.min(BATCH_SIZE, await producer.room(streamKey))', 'BATCH_SIZE'),
    ],
  },
  'no-upkeep': {
    caughtBy: 'redis-loss',
    edits: [
      edit(
        'src/promotion/upkeep/upkeep.ts',
        'const requeued = await requeueOrphans(promotion, { ...left, producer, stream: streams[type] })',
        'const requeued = promotion === undefined ? await requeueOrphans(promotion, { ...left, producer, stream: streams[type] }) : 0',
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
        'if (one === undefined) this.#o.repeated(id, askedAtMs)',
        'if (one === undefined) this.#o.begin(held.get(id) as never)',
      ),
    ],
  },
  'a-redirect-is-no-outage': {
    caughtBy: 'money-systemic',
    edits: [
      edit(
        'src/money/charge.ts',
        "  if (isCharge(method, answer)) return 'usable'\n",
        "  if (answer.status === 302 || isCharge(method, answer)) return 'usable'\n",
      ),
    ],
  },
  'one-refusal-latches-all': {
    caughtBy: 'forbidden',
    edits: [
      edit(
        'src/money/charge.ts',
        "return method === 'POST' || answer.isDoubted ? 'none' : 'refused'",
        "return 'refused'",
      ),
    ],
  },
}

export function bugEdits(name: string): readonly SourceEdit[] {
  const bug = PLANTED_BUGS[name]
  if (bug === undefined) throw new Error(`PROMOSTREAM_PLANT: ${name} is none of ${Object.keys(PLANTED_BUGS)}`)
  return bug.edits
}
