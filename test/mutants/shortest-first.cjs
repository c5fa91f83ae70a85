const { statSync } = require('node:fs')
const Sequencer = require('@jest/test-sequencer').default

/** The first failure ends a run: small test files come before those that take minutes, which are large. */
module.exports = class ShortestFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path, duration }) => duration ?? statSync(path).size / 4
    return [...tests].sort((one, other) => rank(one) - rank(other))
  }
}
