import { describe, expect, test } from '@jest/globals'
import { preparedNameOf } from '#database/prepared.ts'

describe('preparedNameOf', () => {
  test('a marked statement has one name, another one has another', () => {
    const name = preparedNameOf('/* prepared */ select 1')
    expect(name).toMatch(/^promostream_\d+$/)
    expect(preparedNameOf('/* prepared */ select 1')).toBe(name)
    expect(preparedNameOf('/* prepared */ select 2')).not.toBe(name)
  })

  test('every other statement, a cursor and a named query have none', () => {
    for (const text of ['select 1', undefined, { text: '/* prepared */ select 1' }])
      expect(preparedNameOf(text)).toBeUndefined()
  })
})
