/** `npm run test:all`: what `npm test` runs, with properties tried in full, and the slow suites (`*.slow.test.ts`). */
process.env.TEST_THOROUGH = '1'

export { all as default } from './jest.config.mjs'
