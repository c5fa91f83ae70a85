import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { digitsArray, joinedTexts, textArray } from '#database/array-literal.ts'

describe('arrays as one text parameter', () => {
  test('digits, and what is null', () => {
    expect(digitsArray(['9223372036854775807', null, 0])).toBe('{9223372036854775807,NULL,0}')
    expect(digitsArray([])).toBe('{}')
  })

  test('texts are quoted, null is not', () => {
    expect(textArray(['a', 'NULL', null, '', '"\\{,}'])).toBe('{"a","NULL",NULL,"","\\"\\\\{,}"}')
  })

  test('joined texts come apart as they were, whatever stands in them', () => {
    const letters = fc.string({ unit: fc.constantFrom('\u0001', '\u0002', '\u0003', 'a', '') })
    fc.assert(
      fc.property(fc.array(letters, { minLength: 1 }), values => {
        const { joined, separator } = joinedTexts(values)
        expect(joined.split(separator)).toEqual(values)
      }),
    )
  })
})
