import type { Stack } from '#local/embedded-stack.ts'

/** Stops what the set-up started. */
export default async function globalTeardown(): Promise<void> {
  await (globalThis as typeof globalThis & { promostreamStack?: Stack }).promostreamStack?.close()
}
