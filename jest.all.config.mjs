import { all } from './jest.config.mjs'

/** `npm run test:all`: what `npm test` runs, with properties tried in full, and the slow suites (`*.slow.test.ts`). */
process.env.TEST_THOROUGH = '1'

/** Slow suites wait more than they compute: three fill two cores. */
export default { ...all, maxWorkers: 3 }
