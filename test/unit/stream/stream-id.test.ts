import { expect, test } from '@jest/globals'
import { MemoryServer } from '#stream/memory/memory-server.ts'

/** Ids that a stream of these answers for a range. */
function range(start: string, end: string): unknown {
  const server = new MemoryServer()
  for (const id of ['1-0', '1-1', '2-0', '3-5']) server.execute(['XADD', 's', id, 'n', '1'])
  const answer = server.execute(['XRANGE', 's', start, end])
  return 'error' in answer ? answer.error.message : (answer.reply as [string, unknown][]).map(([id]) => id)
}

test.each<[start: string, end: string, ids: string[]]>([
  ['-', '+', ['1-0', '1-1', '2-0', '3-5']],
  ['+', '-', []],
  ['-', '-', []],
  ['+', '+', []],
  ['1', '2', ['1-0', '1-1', '2-0']],
  ['1-1', '2-0', ['1-1', '2-0']],
  ['(1-1', '(3-5', ['2-0']],
  ['(1-0', '(2-0', ['1-1']],
  // The last of that millisecond is what it leaves out.
  ['(1-0', '(2', ['1-1', '2-0']],
  ['-', '(3-5', ['1-0', '1-1', '2-0']],
  ['-', '(3-6', ['1-0', '1-1', '2-0', '3-5']],
  ['(0-0', '1', ['1-0', '1-1']],
])('a range from %s to %s, as Redis has it', (start, end, ids) => {
  expect(range(start, end)).toEqual(ids)
})

test.each(['', 'x', '1-', '-1', '1-2-3', '(', '((1'])('%j is no id', text => {
  expect(range(text, '+')).toContain('Invalid stream ID')
  expect(range('-', text)).toContain('Invalid stream ID')
})
