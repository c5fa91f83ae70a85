import { expect, test } from '@jest/globals'
import { isContentError } from '#database/sql-errors.ts'
import { sqlError } from '#test/support/scripted-kysely.ts'

test.each([
  ['21000', true],
  ['22P05', true],
  ['23505', true],
  ['20000', false],
  ['24000', false],
  ['02200', false],
  ['40001', false],
  ['53100', false],
  ['57014', false],
  ['ECONNRESET', false],
  ['2250', false],
  ['22pp5', false],
])('%s is a row’s own fault: %p', (code, isContent) => {
  expect(isContentError(sqlError(code))).toBe(isContent)
})

test.each([[undefined], [null], ['22000'], [{ code: 22_000 }], [new Error('22000')]])(
  'what has no SQLSTATE is nobody’s fault: %p',
  error => {
    expect(isContentError(error)).toBe(false)
  },
)
