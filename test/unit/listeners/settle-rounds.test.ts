import { afterEach, expect, jest, test } from '@jest/globals'
import type { DoStep } from '#promotion/intake/gift-intake.ts'

const pauses: { ms: number; end(): void }[] = []
jest.unstable_mockModule('node:timers/promises', () => ({
  setTimeout: (ms: number) => new Promise<void>(end => pauses.push({ ms, end })),
}))
const { settleBatch } = await import('#listeners/settle-batch.ts')

afterEach(() => void pauses.splice(0))

const turn = () => new Promise(setImmediate)

test('round after round, each with one pause and one line of how many wait in it', async () => {
  const lines: number[] = []
  const logger = { warn: ({ left }: { left: number }) => void lines.push(left) } as never
  const away = new Set(['a', 'b'])
  const step = (name: string) => (doStep: DoStep) =>
    doStep(async () => {
      if (away.has(name)) throw new Error('away')
      return name
    })
  const { signal } = new AbortController()
  const settling = settleBatch([step('a'), step('b'), step('c')], { retryer: work => work(), logger, signal })
  for (const [round, back] of ['none', 'a', 'b'].entries()) {
    await turn()
    expect(pauses).toHaveLength(round + 1)
    away.delete(back)
    pauses[round]?.end()
  }
  expect(await settling).toEqual(['a', 'b', 'c'])
  expect(lines).toEqual([2, 2, 1])
  expect(pauses.map(({ ms }) => ms)).toEqual([1000, 1000, 1000])
})
