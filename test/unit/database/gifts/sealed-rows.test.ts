import { expect, test } from '@jest/globals'
import { sealedRowPages } from '#database/gifts/sealed-rows.ts'
import { scriptedKysely } from '#test/support/scripted-kysely.ts'

test('rows come page by page, each behind the last of the one before, and none of them empty', async () => {
  const pages = [
    [{ id: '3' }, { id: '8' }],
    [{ id: '9' }, { id: '12' }],
  ]
  const left = [...pages]
  const { kysely, asked } = scriptedKysely(() => left.shift() ?? [])
  const read: unknown[] = []
  for await (const page of sealedRowPages(kysely, { id: '42', type: 'VOUCHER' }, 2)) read.push(page)
  expect(read).toEqual(pages)
  // Rows and archived gifts alike.
  expect(asked.map(({ parameters }) => [parameters[2], parameters[6]])).toEqual(['0', '8', '12'].map(id => [id, id]))
})
