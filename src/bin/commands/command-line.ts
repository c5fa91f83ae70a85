import { InvalidArgumentError } from 'commander'
import { exactInteger } from '#queues/exact-integer.ts'

/** An id as it stands in a command line: exact, never a JavaScript number. */
export function parseId(text: string): string {
  const parsed = exactInteger.safeParse(text)
  if (!parsed.success) throw new InvalidArgumentError('it must be an integer from 1 to 2^63-1.')
  return parsed.data
}

/** One line of JSON for scripts, or the lines a person reads. */
export function print(options: { json?: boolean }, value: unknown, lines: () => string[]): void {
  process.stdout.write(options.json ? `${JSON.stringify(value)}\n` : `${lines().join('\n')}\n`)
}
