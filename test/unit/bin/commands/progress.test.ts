import { stripVTControlCharacters } from 'node:util'
import { afterEach, expect, jest, test } from '@jest/globals'
import { createProgress } from '#bin/commands/progress.ts'

const isTTY = Object.getOwnPropertyDescriptor(process.stderr, 'isTTY')
afterEach(() => {
  jest.restoreAllMocks()
  if (isTTY === undefined) Reflect.deleteProperty(process.stderr, 'isTTY')
  else Object.defineProperty(process.stderr, 'isTTY', isTTY)
})

/** What stands on stderr after ten of forty rows. */
function shown(isTerminal: boolean): string {
  let text = ''
  Object.defineProperty(process.stderr, 'isTTY', { value: isTerminal, configurable: true })
  jest.spyOn(process.stderr, 'write').mockImplementation(chunk => {
    text += String(chunk)
    return true
  })
  const progress = createProgress()
  progress.begin('publish', 40)
  progress.advance(4)
  progress.advance(6)
  progress.end()
  return stripVTControlCharacters(text)
}

test('a terminal is shown how far a command has come; a file or a pipe gets nothing', () => {
  expect(shown(true)).toMatch(/publish .*25% {2}10\/40 {2}ETA /)
  expect(shown(false)).toBe('')
})
