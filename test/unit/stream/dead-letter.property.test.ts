import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { deadLetterFields, parseDeadLetter } from '#stream/dead-letter.ts'
import { StreamError } from '#stream/errors.ts'

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
          const letter = deadLetterFields({ id: '1-1', stream: 's', fields, deliveries: 3 }, reason)
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
    const letter = deadLetterFields({ id: '1-1', stream: 's', fields: { n: '1', _id: 'mine' }, deliveries: 3 }, 'why')
    expect(letter.flat()).toEqual([
      ...['n', '1', '_id', 'mine'],
      ...['__id', '1-1', '_stream', 's', '_reason', 'why', '_deliveries', '3'],
    ])
  })

  test('can be written whatever a handler made of its copy, and whatever it gives as the reason', () => {
    const fields = { a: Object.create(null), b: Symbol('b'), c: '\ud800' } as unknown as Record<string, string>
    const reason = undefined as unknown as string
    const letter = deadLetterFields({ id: '1-1', stream: 's', fields, deliveries: 1 }, reason)
    expect(letter.flat().every(text => typeof text === 'string' && text.isWellFormed())).toBe(true)
  })

  test('what is none is refused by name', () => {
    expect(() => parseDeadLetter({ n: '1' })).toThrow(StreamError)
    expect(() => parseDeadLetter({ n: '1', _id: '', _stream: '', _reason: '', other: '' })).toThrow('no dead letter')
  })
})
