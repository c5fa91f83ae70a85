import type { SourceEdit } from './source-edits.ts'

const CRASH = 'globalThis.promostreamCrash()'

/** The steps between which a process may die, in the order in which a gift meets them. */
export const CRASH_POINTS = {
  'after-poll': {
    file: 'src/kafka/topic-consumer.ts',
    find: '    if (readable.length > 0) {\n',
    put: `    if (readable.length > 0) {\n      ${CRASH}\n`,
  },
  'after-insert': {
    file: 'src/promotion/intake/gift-intake.ts',
    find: "      case 'inserted':\n        return",
    put: `      case 'inserted':\n        ${CRASH}\n        return`,
  },
  'after-xadd': {
    file: 'src/promotion/intake/stream-producer.ts',
    find: '      if (error === undefined) outcomes.push(true)\n',
    put: `      if (error === undefined) ${CRASH}\n      if (error === undefined) outcomes.push(true)\n`,
  },
  'after-commit': {
    file: 'src/kafka/topic-consumer.ts',
    find: '      await this.#committer.commit({ topic, partition, offset: next(last) })\n',
    put: `      await this.#committer.commit({ topic, partition, offset: next(last) })\n      ${CRASH}\n`,
  },
  'after-xreadgroup': {
    file: 'src/stream/group.ts',
    find: "'COUNT', count, 'STREAMS', stream, '>')\n",
    put: `'COUNT', count, 'STREAMS', stream, '>')\n    if (reply !== null) ${CRASH}\n`,
  },
  'request-sent': {
    file: 'src/money/http.ts',
    find: '    if (!this.#ended) this.#isUnsent = false\n',
    // The bytes leave in this turn of the event loop and are on their way in the next ones.
    put: `    if (!this.#ended) this.#isUnsent = false\n    setTimeout(() => ${CRASH}, 5)\n`,
  },
  'reply-read': {
    file: 'src/money/charge-api.ts',
    find: "    if (posted.kind === 'charged') return { ...posted, posts: 1 }\n",
    put: `    if (posted.kind === 'charged') ${CRASH}\n    if (posted.kind === 'charged') return { ...posted, posts: 1 }\n`,
  },
  'after-update': {
    file: 'src/promotion/payment/gift-payment.ts',
    find: '        await resultUpdateService.updateSuccess(this.#type, row, outcome.transactionKey, outcome.posts)\n',
    put: `        await resultUpdateService.updateSuccess(this.#type, row, outcome.transactionKey, outcome.posts)\n        ${CRASH}\n`,
  },
  'after-retry-published': {
    file: 'src/promotion/payment/gift-payment.ts',
    find: '    await this.#publishRetry(json, row, { attempt: row.attempts + posts, lastError, retryAfterMs })\n',
    put: `    await this.#publishRetry(json, row, { attempt: row.attempts + posts, lastError, retryAfterMs })\n    ${CRASH}\n`,
  },
  'after-ack': {
    file: 'src/stream/acker.ts',
    find: '      if (hasOtherGroup) this.#options.onOtherGroup()\n',
    put: `      ${CRASH}\n      if (hasOtherGroup) this.#options.onOtherGroup()\n`,
  },
  'refill-after-xadd': {
    file: 'src/promotion/upkeep/refill.ts',
    find: '          rows.map(({ partitionKey: key, message }) => ({ key, message })),\n        ),\n',
    put: `          rows.map(({ partitionKey: key, message }) => ({ key, message })),\n        ).then(added => { ${CRASH}; return added }),\n`,
  },
  'after-xgroup-create': {
    file: 'src/stream/group.ts',
    find: "group, '0', 'MKSTREAM')\n",
    put: `group, '0', 'MKSTREAM')\n    ${CRASH}\n`,
  },
} as const satisfies Record<string, SourceEdit>

export type CrashPoint = keyof typeof CRASH_POINTS

/** Arms SIGKILL at the n-th time that a process comes by; `text` is `point` or `point:n`. */
export function armCrash(text: string): SourceEdit {
  const [point, nth = '1'] = text.split(':')
  const edit: SourceEdit | undefined = (CRASH_POINTS as Record<string, SourceEdit>)[point as string]
  if (edit === undefined) throw new Error(`PROMOSTREAM_CRASH_AT: ${point} is none of ${Object.keys(CRASH_POINTS)}`)
  let left = Number(nth)
  Object.assign(globalThis, {
    promostreamCrash: () => {
      left -= 1
      if (left <= 0) process.kill(process.pid, 'SIGKILL')
    },
  })
  return edit
}
