import { spawnSync } from 'node:child_process'
import { describe, expect, test } from '@jest/globals'

/** The simulation has the clock of a whole process to itself: it runs in one of its own. */
function simulate(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['test/simulation/simulate.ts', ...args], {
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

describe('the simulation', () => {
  test('300 worlds break no invariant, and every kind of fault strikes in some of them', () => {
    const { status, stdout, stderr } = simulate('--seed', '1', '--runs', '300', '--json')
    expect([status, stderr]).toEqual([0, ''])
    const { worlds, violations, faults } = JSON.parse(stdout)
    expect([worlds, violations]).toEqual([300, 0])
    expect(Object.entries(faults).filter(([, count]) => count === 0)).toEqual([])
  }, 120_000)

  test('the same seed is the same world, to the last word of its story', () => {
    // The consumer's name holds the process's id, and is told as a number.
    const tell = () => simulate('--seed', '41', '--runs', '5', '--story').stdout.replace(/\d+ a second/, '')
    const first = tell()
    expect(first.length).toBeGreaterThan(1000)
    expect(tell()).toBe(first)
  }, 120_000)

  test('rows whose last writer wins: a violation, told as a story, and exit code 1', () => {
    const { status, stdout } = simulate('--seed', '1', '--runs', '2000', '--plant', 'last-write-wins', '--bail')
    expect(status).toBe(1)
    expect(stdout).toMatch(/=> I4: gift \d+ went from SUCCESS/)
  }, 120_000)

  test('what is no number is refused in one line', () => {
    expect(simulate('--seed', 'x')).toEqual({ status: 2, stdout: '', stderr: '--seed must be a whole number, not x\n' })
  })
})
