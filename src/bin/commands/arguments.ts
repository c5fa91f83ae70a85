import { InvalidArgumentError } from 'commander'
import { exactInteger } from '#queues/gift-message.ts'

/** An id as it stands in a command line: exact, never a JavaScript number. */
export function parseId(text: string): string {
  const parsed = exactInteger.safeParse(text)
  if (!parsed.success) throw new InvalidArgumentError('it must be an integer from 1 to 2^63-1.')
  return parsed.data
}
