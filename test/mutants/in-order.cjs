const Sequencer = require('@jest/test-sequencer').default

/** The first failure ends a run: the test files that are likeliest to notice the bug come first. */
const order = JSON.parse(process.env.MUTANTS_ORDER ?? '[]')

module.exports = class InOrder extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => order.findIndex(test => path.endsWith(test))
    return [...tests].sort((one, other) => rank(one) - rank(other))
  }
}
