import type { SourceEdit } from './source-edits.ts'

/** A bug that somebody could write, and who has to notice it. */
export interface PlantedBug {
  edits: readonly SourceEdit[]
  /** `simulation`, the name of a scenario, or a test: of what is neither simulated nor broken by faults to processes. */
  caughtBy: string | NamedTest
}

export interface NamedTest {
  project: 'unit' | 'integration'
  path: string
  title: string
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
        'src/promotion/payment/gift-payment.ts',
        '        await resultUpdateService.updateSuccess(this.#type, row, outcome.transactionKey, outcome.posts)\n',
        '        void resultUpdateService.updateSuccess(this.#type, row, outcome.transactionKey, outcome.posts).catch(() => undefined)\n',
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
        'src/promotion/payment/gift-payment.ts',
        'const changed = await resultUpdateService.updateError(this.#type, row, { status, code, message, posts })',
        "const changed = await resultUpdateService.updateError(this.#type, row, { status: code === 'TIMEOUT' ? 'FAILED' : status, code, message, posts })",
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
        '        this.#o.repeated(id, askedAtMs)\n',
        '        this.#o.begin(leased.get(id) as never)\n',
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
  'lost-claim-reply': {
    caughtBy: {
      project: 'unit',
      path: 'test/unit/stream/recovery.test.ts',
      title: 'what a claim took whose reply was lost',
    },
    edits: [
      edit(
        'src/stream/recovery.ts',
        '      this.#mustScanOwn = true\n      this.#wasClaimLost = true\n      throw error\n',
        '      throw error\n',
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
  'deliveries-never-forgiven': {
    caughtBy: {
      project: 'unit',
      path: 'test/unit/stream/recovery.test.ts',
      title: 'the delivery of an entry that went past min-idle',
    },
    edits: [edit('src/stream/delivery-counter.ts', '    this.#toForgive.add(lease.id)\n', '')],
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
  'offset-before-insert': {
    caughtBy: 'insert-kills',
    edits: [
      edit(
        'src/kafka/topic-consumer.ts',
        '    if (readable.length > 0) {\n',
        '    await this.#committer.commit({ topic, partition, offset: next(batch.lastOffset()) })\n    if (readable.length > 0) {\n',
      ),
    ],
  },
  'commit-not-repeated': {
    caughtBy: {
      project: 'integration',
      path: 'test/integration/kafka/topic-consumer.test.ts',
      title: 'an offset whose commit is cut',
    },
    edits: [
      edit(
        'src/kafka/offset-committer.ts',
        '      ended.abort()\n    }\n    this.#tryLater()\n',
        '      ended.abort()\n    }\n',
      ),
    ],
  },
  'admission-not-asked-again': {
    caughtBy: {
      project: 'integration',
      path: 'test/integration/promotion/intake/stream-producer.test.ts',
      title: 'a further try asks for its place anew',
    },
    edits: [
      edit(
        'src/promotion/intake/stream-producer.ts',
        '    if (!this.#hasPlace(streamKey) && !(await this.#admitWithin(streamKey, 1, LENGTH_MIN_AGE_MS))) return false\n',
        '',
      ),
    ],
  },
  'one-stream-spoils-the-batch': {
    caughtBy: {
      project: 'integration',
      path: 'test/integration/promotion/intake/stream-producer.test.ts',
      title: 'a stream that cannot be written is nobody else’s trouble',
    },
    edits: [
      edit(
        'src/promotion/intake/stream-producer.ts',
        '    if (troubles.failed(streamKey, error)) return true\n    if (!troubles.hasFailedLong(streamKey)) return false\n',
        "    if (troubles.failed(streamKey, error) && streamKey === '') return true\n    if (streamKey !== '') return false\n",
      ),
    ],
  },
  'skipped-by-place-alone': {
    caughtBy: {
      project: 'integration',
      path: 'test/integration/database/gifts/guard-rails.test.ts',
      title: 'two messages skipped at one place are two rows',
    },
    edits: [
      edit(
        'src/database/schema/migrations/migration-20261127-skipped-content.ts',
        'on campaign_promotion_skipped (topic, partition, "offset", content_hash)',
        'on campaign_promotion_skipped (topic, partition, "offset")',
      ),
    ],
  },
  'refill-without-cursor': {
    caughtBy: {
      project: 'integration',
      path: 'test/integration/database/rows-read.test.ts',
      title: 'refill beside a transaction that stays open',
    },
    edits: [
      edit('src/database/gifts/refill-rows.ts', ' and id > ${afterId}::bigint and not enqueued', ' and not enqueued'),
    ],
  },
  'readonly-never-replaced': {
    caughtBy: 'redis-silent',
    edits: [
      edit('src/runtime/redis-watch.ts', '(?:READONLY|LOADING|', '(?:LOADING|'),
      edit('src/runtime/redis-watch.ts', "    replace('the server is a replica')\n", ''),
    ],
  },
  'ready-blind': {
    caughtBy: 'redis-silent',
    edits: [edit('src/runtime/readiness.ts', 'ready: answers.every(({ reason }) => reason === OK),', 'ready: true,')],
  },
  'new-key-per-attempt-in-processes': {
    caughtBy: 'money-faults',
    edits: [
      edit(
        'src/money/charge.ts',
        '  return `${type}:${targetId}`\n',
        '  return `${type}:${targetId}:${Math.random()}`\n',
      ),
    ],
  },
  'final-states-are-left': {
    caughtBy: 'frozen',
    edits: [
      edit(
        'src/database/gifts/result-transition.ts',
        "        r.process_status in ('PENDING', 'RETRYING')\n",
        "        r.process_status in ('PENDING', 'RETRYING', 'SUCCESS')\n",
      ),
      // What comes late is often the same SUCCESS: here it is a step back.
      edit(
        'src/database/gifts/result-transition.ts',
        'set process_status = l.status,',
        "set process_status = case l.was when 'SUCCESS' then 'RETRYING' else l.status end,",
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
