import { expect, test } from '@jest/globals'
import * as checks from '#stream/option-checks.ts'

const LONGEST_TIMER_MS = 2 ** 31 - 1

test('a whole number is one between both ends, which are its own', () => {
  for (const value of [3, 7]) expect(() => checks.assertWhole('x', value, 3, 7)).not.toThrow()
  for (const value of [2, 8, 3.5]) expect(() => checks.assertWhole('x', value, 3, 7)).toThrow('from 3 to 7, not ')
  expect(() => checks.assertWhole('x', Number.MAX_SAFE_INTEGER, 3)).not.toThrow()
  expect(() => checks.assertWhole('x', 2, 3)).toThrow('x must be a whole number from 3 on, not 2')
  for (const value of [0, -1, 2 ** 53]) expect(() => checks.assertPositive('x', value)).toThrow(TypeError)
})

test('a pause is one that a timer can wait', () => {
  for (const ms of [1, LONGEST_TIMER_MS]) expect(() => checks.assertMs('x', ms)).not.toThrow()
  for (const ms of [0, LONGEST_TIMER_MS + 1]) expect(() => checks.assertMs('x', ms)).toThrow(TypeError)
  expect(() => checks.assertMs('x', 0, 0)).not.toThrow()
  expect(() => checks.assertSeconds('x', 2_147_483)).not.toThrow()
  for (const seconds of [0, 2_147_484]) expect(() => checks.assertSeconds('x', seconds)).toThrow(TypeError)
})

test('a name is a text that comes back from Redis as it was sent', () => {
  expect(() => checks.assertName('x', 'a b')).not.toThrow()
  expect(() => checks.assertName('x', 7)).toThrow('x must be a string, not 7')
  expect(() => checks.assertName('x', '')).toThrow('x must not be empty')
  expect(() => checks.assertName('x', '\ud800')).toThrow('x must be well-formed Unicode')
})

test('an id is one as Redis writes it, and a refusal does not repeat what was given', () => {
  for (const id of ['1-0', '1700000000000-12', '7']) expect(() => checks.assertId('x', id)).not.toThrow()
  for (const id of ['', '1-', '-1', 'a-0', '1-0-0', '1'.repeat(21), 7, undefined])
    expect(() => checks.assertId('x', id)).toThrow('x must be an entry’s id')
  expect(() => checks.assertId('x', 'secret')).toThrow(/not a string$/)
  expect(() => checks.assertId('x', '')).toThrow(/not an empty string$/)
})

test.each<[string, (value: unknown) => void, unknown[], unknown[]]>([
  ['true or false', value => checks.assertBoolean('x', value), [true, false], [0, null, 'true']],
  ['a function', value => checks.assertFunction('x', value), [() => undefined], [{}, null, 'f']],
  ['an object', value => checks.assertObject('x', value), [{}], [null, undefined, 7, 'x', [], () => undefined]],
  [
    '‘a’ or ‘b’'.replace(/[‘’]/g, "'"),
    value => checks.assertOneOf('x', value, ['a', 'b']),
    ['a', 'b'],
    ['c', undefined],
  ],
])('must be %s', (what, check, good, bad) => {
  for (const value of good) expect(() => check(value)).not.toThrow()
  for (const value of bad) expect(() => check(value)).toThrow(`x must be ${what}, not `)
})

test.each<[unknown, string]>([
  [null, 'null'],
  [undefined, 'undefined'],
  [7, '7'],
  [7n, '7'],
  [true, 'true'],
  ['secret', 'a string'],
  ['', 'an empty string'],
  [[], 'an array'],
  [{ secret: 1 }, 'an object'],
  [Symbol('secret'), 'a symbol'],
])('a refusal of %p says what kind it is: %s', (value, said) => {
  expect(() => checks.assertFunction('x', value)).toThrow(`x must be a function, not ${said}`)
})

test('an option that is undefined was not given', () => {
  expect(Object.keys(checks.given({ a: undefined, b: null, c: 0 }))).toEqual(['b', 'c'])
})
