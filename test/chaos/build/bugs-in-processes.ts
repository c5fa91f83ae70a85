import { edit, type PlantedBug } from './planted-bug.ts'

/** What faults to real processes notice. */
export const BUGS_IN_PROCESSES: Readonly<Record<string, PlantedBug>> = {
  'ack-before-commit': {
    caughtBy: 'bare',
    breaks: 'I5',
    edits: [
      edit(
        'src/promotion/payment/gift-payment.ts',
        '        await resultUpdateService.updateSuccess(this.#type, row, outcome.transactionKey, outcome.posts)\n',
        '        void resultUpdateService.updateSuccess(this.#type, row, outcome.transactionKey, outcome.posts).catch(() => undefined)\n',
      ),
    ],
  },
  'no-unique-key': {
    caughtBy: 'insert-kills',
    breaks: 'I1',
    edits: [
      edit('src/database/gifts/plain-insert.ts', 'on conflict (${targetColumn}) do nothing', 'on conflict do nothing'),
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
  'offset-before-insert': {
    caughtBy: 'insert-kills',
    breaks: 'I1',
    edits: [
      edit(
        'src/kafka/topic-consumer.ts',
        '    if (readable.length > 0) {\n',
        '    await this.#committer.commit({ topic, partition, offset: next(batch.lastOffset()) })\n    if (readable.length > 0) {\n',
      ),
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
    breaks: 'I2',
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
    breaks: 'I4',
    edits: [
      edit(
        'src/database/gifts/result-transition.ts',
        "(r.process_status in ('PENDING', 'RETRYING')\n",
        "(r.process_status in ('PENDING', 'RETRYING', 'SUCCESS')\n",
      ),
      // What comes late is often the same SUCCESS: here it is a step back.
      edit(
        'src/database/gifts/result-transition.ts',
        'set process_status = i.status,',
        "set process_status = case r.process_status when 'SUCCESS' then 'RETRYING' else i.status end,",
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
  'time-out-is-failed-in-processes': {
    caughtBy: 'money-faults',
    breaks: 'I3',
    edits: [
      edit(
        'src/promotion/payment/gift-payment.ts',
        'const changed = await resultUpdateService.updateError(this.#type, row, { status, code, message, posts })',
        "const changed = await resultUpdateService.updateError(this.#type, row, { status: code === 'TIMEOUT' ? 'FAILED' : status, code, message, posts })",
      ),
    ],
  },
  'asked-twice': {
    caughtBy: 'odd-messages',
    breaks: 'I6',
    edits: [
      edit(
        'src/money/charge-api.ts',
        '    const posted = await post(key, request, options)\n',
        '    await post(key, request, options)\n    const posted = await post(key, request, options)\n',
      ),
    ],
  },
  'own-pending-not-drained-in-processes': {
    caughtBy: 'redis-cut',
    breaks: 'I7',
    edits: [
      edit(
        'src/stream/recovery.ts',
        '    if (this.#mustScanOwn && mayClaim) await this.#takeOwn()\n',
        '    if (this.#mustScanOwn && mayClaim) this.#mustScanOwn = false\n',
      ),
    ],
  },
}
