import { CodedError } from '#runtime/errors.ts'
import { within } from '#runtime/within.ts'

/** A client without a connection would wait for ever. */
const ANSWER_WITHIN_MS = 1500

const late = () => {
  throw new CodedError('NO_ANSWER', `no answer within ${ANSWER_WITHIN_MS} ms`)
}

/** A question that is asked again only after `maxAgeMs`; undefined while its last answer was an error. */
export function remembered<T>(maxAgeMs: number, ask: () => Promise<T>) {
  let answer: T | undefined
  let askedAtMs = Number.NEGATIVE_INFINITY
  let underWay: Promise<void> | undefined
  let hasFailed = false
  const renew = () => {
    if (performance.now() - askedAtMs < maxAgeMs || underWay !== undefined) return underWay
    underWay = within(ask(), ANSWER_WITHIN_MS, late)
      .then(
        value => {
          answer = value
          hasFailed = false
        },
        () => {
          answer = undefined
          hasFailed = true
        },
      )
      .finally(() => {
        askedAtMs = performance.now()
        underWay = undefined
      })
    return underWay
  }
  const get = async () => {
    await renew()
    return answer
  }
  /** Does not wait: what is known now, renewed for the next time. */
  get.soon = () => {
    void renew()
    return answer
  }
  /** Its last answer was an error, or none. */
  get.hasFailed = () => hasFailed
  return get
}
