import type { Equivalent } from '../equivalent.ts'

/** Of the other rooms. */
export const ELSEWHERE: readonly Equivalent[] = [
  {
    file: 'src/admin/security/authenticate.ts',
    line: "app.decorateRequest('signedInBy', undefined)",
    before: "app.decorateRequest('signedInBy', undefined)",
    after: ';',
    why: 'Fastify makes requests of one shape by it: only cheaper',
  },
  {
    file: 'src/database/gifts/gift-pages.ts',
    line: 'let left = isFiltered ? MAX_LOOKED_AT : query.limit',
    before: 'isFiltered',
    after: 'true',
    why: 'without a filter the first look finds the whole page, or the end',
  },
  {
    file: 'src/database/gifts/refill-rows.ts',
    line: "if (rows.length === 0) return { kind: 'taken', rows: 0, limit, lastId: afterId }",
    before: 'rows.length === 0',
    after: 'false',
    why: 'an update of no row changes none, and the outcome is the same: only dearer',
  },
  {
    file: 'src/kafka/request-queue.ts',
    line: 'throttledMs > 0 ? throttledMs : CHECK_MS,',
    before: '>',
    after: '>=',
    why: 'now is soon',
  },
  {
    file: 'src/listeners/retry-listener.ts',
    line: '...(notBefore === undefined ? {} : { notBefore }),',
    before: 'notBefore === undefined',
    after: 'false',
    why: 'a job is kept as JSON, which leaves out what is undefined',
  },
  {
    file: 'src/money/http.ts',
    line: "signal.addEventListener('abort', () => exchanges.forEach(exchange => void exchange.abort()), { once: true })",
    before: 'true',
    after: 'false',
    why: 'a signal aborts once: `once` only frees the listener',
  },
]
