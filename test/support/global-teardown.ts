import type { Stack } from '#local/embedded-stack.ts'
import { dropDatabase } from './stack-env.ts'

/** Stops what the set-up started. */
export default async function globalTeardown(): Promise<void> {
  const template = process.env.PROMOSTREAM_TEST_TEMPLATE
  // A server that was given keeps nothing of ours.
  if (template !== undefined) await dropDatabase(template)
  await (globalThis as typeof globalThis & { promostreamStack?: Stack }).promostreamStack?.close()
}
