import Sequencer from '@jest/test-sequencer'

/** What takes long, the longest first; nobody knows it yet in a fresh clone. */
const LONG = [/\/docs\/chaos-commands/, /\/process\//, /\/integration\//, /\/stream\//, /\/local\//]
/** Long too, and nearly all of it waiting: each goes beside those that keep a core busy, instead of beside its like. */
const WAITING = /\/stream\/redis-/
const BUSY_BETWEEN = 5

const rankOf = ({ path }) => LONG.findIndex(pattern => pattern.test(path)) + 1 || LONG.length + 1

/** Jest begins with the longest files of the run before, so that its workers end together; without one, with the largest. */
export default class LongestFirst extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests)
    const isKnown = sorted.some(({ duration }) => duration !== undefined)
    return isKnown ? sorted : spread(sorted.toSorted((one, other) => rankOf(one) - rankOf(other)))
  }
}

function spread(tests) {
  const waiting = tests.filter(({ path }) => WAITING.test(path))
  const busy = tests.filter(({ path }) => !WAITING.test(path))
  const ordered = busy.flatMap((test, index) => (index % BUSY_BETWEEN === 1 ? [test, ...waiting.splice(0, 1)] : [test]))
  return [...ordered, ...waiting]
}
