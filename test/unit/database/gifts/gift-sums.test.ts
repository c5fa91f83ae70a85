import { expect, test } from '@jest/globals'
import { sumGifts } from '#database/gifts/gift-sums.ts'
import { scriptedKysely } from '#test/support/scripted-kysely.ts'

test('counts and amounts are summed over all steps, each behind the last row of the one before', async () => {
  const steps = [
    [
      { status: 'SUCCESS', count: 30_000, amount: '9007199254740993', lastId: '70000' },
      { status: 'FAILED', count: 20_000, amount: '5', lastId: '69000' },
    ],
    [{ status: 'SUCCESS', count: 2, amount: '7', lastId: '70002' }],
  ]
  const { kysely, asked } = scriptedKysely(() => steps.shift() ?? [])
  const rows: number[] = []
  const sums = await sumGifts(kysely, { id: '1', type: 'POINT' }, count => void rows.push(count))
  expect(sums).toMatchObject({
    SUCCESS: { count: 30_002, amount: '9007199254741000' },
    FAILED: { count: 20_000, amount: '5' },
    PENDING: { count: 0, amount: '0' },
  })
  expect(rows).toEqual([50_000, 2])
  expect(asked.map(({ parameters }) => parameters).map(values => values.includes('70000'))).toEqual([false, true])
})
