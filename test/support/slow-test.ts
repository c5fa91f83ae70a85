import { test } from '@jest/globals'

/** `npm run test:all` sets this: what `npm test` leaves out, or tries a tenth of, is done too. */
export const isThorough = process.env.TEST_THOROUGH === '1'

/** A test of `npm run test:all` alone, in a file whose other tests `npm test` runs as well: a rare fault that takes its time. */
export const slowTest: (title: string, run: () => Promise<void>, timeoutMs?: number) => void = isThorough
  ? test
  : () => undefined
