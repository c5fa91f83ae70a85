/** `npm run test:all`: what `npm test` runs, and the slow suites (`*.slow.test.ts`). */
export { all as default } from './jest.config.mjs'
