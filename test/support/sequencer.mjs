import Sequencer from '@jest/test-sequencer'

/** What takes long, the longest first; nobody knows it yet in a fresh clone. */
const LONG = [/\/docs\/chaos-commands/, /\/stream\/redis-/, /\/process\//, /\/integration\//, /\/stream\//, /\/local\//]

const rankOf = ({ path }) => LONG.findIndex(pattern => pattern.test(path)) + 1 || LONG.length + 1

/** Jest begins with the longest files of the run before, so that its workers end together; without one, with the largest. */
export default class LongestFirst extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests)
    const isKnown = sorted.some(({ duration }) => duration !== undefined)
    return isKnown ? sorted : sorted.toSorted((one, other) => rankOf(one) - rankOf(other))
  }
}
