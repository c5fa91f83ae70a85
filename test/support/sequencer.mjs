import Sequencer from '@jest/test-sequencer'

/** What takes long, the longest first; nobody knows how long most of them take in a fresh clone. */
const LONG = [/\/docs\/chaos-commands/, /\/process\//, /\/integration\//, /\/stream\//, /\/local\//]
/** Long too, and nearly all of it waiting: each goes beside those that keep a core busy, instead of beside its like. */
const WAITING = /\/stream\/redis-/
const BUSY_BETWEEN = 3

const rankOf = ({ path }) => LONG.findIndex(pattern => pattern.test(path)) + 1 || LONG.length + 1

/** Jest begins with the longest files of the run before, so that its workers end together; without one, with the largest. */
export default class LongestFirst extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests)
    // `npm run check` has measured its own few before.
    const known = sorted.filter(({ duration }) => duration !== undefined)
    return known.length * 2 > sorted.length
      ? sorted
      : spread(sorted.toSorted((one, other) => rankOf(one) - rankOf(other)))
  }
}

function spread(tests) {
  const waiting = tests.filter(({ path }) => WAITING.test(path))
  const busy = tests.filter(({ path }) => !WAITING.test(path))
  const ordered = busy.flatMap((test, index) => (index % BUSY_BETWEEN === 1 ? [test, ...waiting.splice(0, 1)] : [test]))
  return [...ordered, ...waiting]
}
