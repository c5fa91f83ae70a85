import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { letterLabels, parseDeadLetter } from '#stream/dead-letter.ts'
import { StreamError } from '#stream/errors.ts'

/** As the writer puts a letter together. */
function letterOf(fields: Record<string, string>, reason: string): [string, string][] {
  const own = Object.entries(fields).flat()
  const flat = [...own, ...letterLabels(own, { id: '1-1', stream: 's', deliveries: 3 }, reason)]
  return Array.from({ length: flat.length / 2 }, (_, at) => [flat[2 * at] as string, flat[2 * at + 1] as string])
}

const LABELS = ['id', 'stream', 'reason', 'deliveries']

describe('dead letters', () => {
  const name = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.tuple(fc.nat({ max: 3 }), fc.constantFrom(...LABELS)).map(([count, label]) => '_'.repeat(count) + label),
  )

  test('of any entry are read again: own fields exactly, and what the framework says', () => {
    fc.assert(
      fc.property(
        fc.dictionary(name, fc.string({ unit: 'grapheme' })),
        fc.string({ unit: 'grapheme' }),
        (fields, reason) => {
          const letter = letterOf(fields, reason)
          expect(new Set(letter.map(([each]) => each)).size).toBe(letter.length)
          expect(letter).toEqual(expect.arrayContaining(Object.entries(fields)))
          expect(parseDeadLetter(Object.fromEntries(letter))).toEqual({
            fields,
            id: '1-1',
            stream: 's',
            reason,
            deliveries: 3,
          })
        },
      ),
    )
  })

  test('have the plain names where the entry leaves them free', () => {
    const letter = letterOf({ n: '1', _id: 'mine' }, 'why')
    expect(letter.flat()).toEqual([
      ...['n', '1', '_id', 'mine'],
      ...['__id', '1-1', '_stream', 's', '_reason', 'why', '_deliveries', '3'],
    ])
  })

  test('can be written whatever a handler gives as the reason', () => {
    for (const reason of [undefined, Symbol('b'), Object.create(null), '\ud800'] as unknown as string[])
      expect(
        letterOf({ n: '1' }, reason)
          .flat()
          .every(text => typeof text === 'string' && text.isWellFormed()),
      ).toBe(true)
  })

  test('what is none is refused by name', () => {
    expect(() => parseDeadLetter({ n: '1' })).toThrow(StreamError)
    expect(() => parseDeadLetter({ n: '1', _id: '', _stream: '', _reason: '', other: '' })).toThrow('no dead letter')
  })
})
