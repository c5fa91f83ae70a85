/** One line of JSON for scripts, or the lines a person reads. */
export function print(options: { json?: boolean }, value: unknown, lines: () => string[]): void {
  process.stdout.write(options.json ? `${JSON.stringify(value)}\n` : `${lines().join('\n')}\n`)
}
