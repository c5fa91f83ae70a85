import { edit, type PlantedBug } from './planted-bug.ts'

/** What is neither simulated nor met by faults to processes: one test notices it. */
export const BUGS_OF_ONE_TEST: Readonly<Record<string, PlantedBug>> = {
  // A canary stops both where they get so far: test/process/promotion/payment/canary.slow.test.ts.
  'new-key-per-attempt': {
    caughtBy: {
      project: 'unit',
      path: 'test/unit/money/charge-api.test.ts',
      title: 'every attempt sends the key of the target',
    },
    edits: [
      edit(
        'src/money/charge-api.ts',
        '    const key = idempotencyKey(request)\n    const sentAtMs',
        '    const key = `${idempotencyKey(request)}:${performance.now()}`\n    const sentAtMs',
      ),
    ],
  },
  'amount-times-100': {
    caughtBy: {
      project: 'unit',
      path: 'test/unit/money/charge-api.test.ts',
      title: 'every attempt sends the key of the target',
    },
    edits: [
      edit(
        'src/money/charge.ts',
        'return { type, promotionId, targetId, memberId, amount }',
        'return { type, promotionId, targetId, memberId, amount: `${amount}00` }',
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
  'deliveries-never-forgiven': {
    caughtBy: {
      project: 'unit',
      path: 'test/unit/stream/recovery.test.ts',
      title: 'the delivery of an entry that went past min-idle',
    },
    edits: [edit('src/stream/delivery-counter.ts', '    this.#toForgive.add(lease.id)\n', '')],
  },
  'commit-not-repeated': {
    caughtBy: {
      project: 'integration',
      path: 'test/integration/kafka/topic-consumer.test.ts',
      title: 'an offset whose commit is cut',
    },
    edits: [edit('src/kafka/offset-committer.ts', '    }\n    this.#tryLater()\n', '    }\n')],
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
        '    if (admitted === count) return count\n',
        '    if (admitted <= count) return count\n',
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
  'committed-offsets-not-looked-at': {
    caughtBy: {
      project: 'unit',
      path: 'test/unit/kafka/topic-consumer.test.ts',
      title: 'its offset is not committed: it would hide that',
    },
    edits: [edit('src/kafka/topic-consumer.ts', '    await this.#committed?.assertThere()\n', '')],
  },
}
