import { expect, test } from '@jest/globals'
import { FirstPosts } from '#money/first-posts.ts'

/** What the last of these first POSTs makes of it. */
function after(...refused: boolean[]): boolean | undefined {
  const posts = new FirstPosts()
  return refused.map(isRefused => posts.add(isRefused)).at(-1)
}
const times = (count: number, isRefused: boolean) => Array<boolean>(count).fill(isRefused)

test.each([
  ['nineteen gifts, all refused', times(19, true), false],
  ['twenty, all refused', times(20, true), true],
  ['twenty, four fifths of them refused', [...times(4, false), ...times(16, true)], false],
  ['twenty, more than four fifths of them refused', [...times(3, false), ...times(17, true)], true],
  ['twenty, all but the last refused', [...times(19, true), false], false],
])('it is our credentials’ fault after %s', (_name, posts, isOurs) => {
  expect(after(...posts)).toBe(isOurs)
})

test('only the last hundred count: what was taken before is forgotten, one by one', () => {
  expect(after(...times(500, false), ...times(80, true))).toBe(false)
  expect(after(...times(500, false), ...times(81, true))).toBe(true)
  expect(after(...times(20, false), ...times(80, true))).toBe(false)
})
