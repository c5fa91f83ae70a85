import { describe, expect, jest, test } from '@jest/globals'
import { Batcher } from '#runtime/batcher.ts'

function recording(options: Partial<ConstructorParameters<typeof Batcher<number, number>>[0]> = {}) {
  const batches: number[][] = []
  const batcher = new Batcher<number, number>({
    maxSize: 10,
    maxConcurrent: 1,
    isItemError: error => error.message === 'item',
    run: async items => {
      batches.push([...items])
      if (items.includes(13)) throw new Error('item')
      if (items.includes(99)) throw new Error('connection')
      return items.map(item => item * 2)
    },
    ...options,
  })
  return { batcher, batches }
}

describe('Batcher', () => {
  test('calls of one turn are one batch, each with its own answer', async () => {
    const { batcher, batches } = recording()
    expect(await Promise.all([1, 2, 3].map(item => batcher.add(item)))).toEqual([2, 4, 6])
    expect(batches).toEqual([[1, 2, 3]])
  })

  test('never more than maxSize at once', async () => {
    const { batcher, batches } = recording({ maxSize: 4 })
    await Promise.all(Array.from({ length: 10 }, (_, item) => batcher.add(item)))
    expect(batches.map(batch => batch.length)).toEqual([4, 4, 2])
  })

  test('what comes while a batch is under way gathers for the next', async () => {
    const gate = Promise.withResolvers<void>()
    const batches: number[][] = []
    const batcher = new Batcher<number, number>({
      maxSize: 10,
      maxConcurrent: 1,
      isItemError: () => false,
      run: async items => {
        batches.push([...items])
        await gate.promise
        return items.slice()
      },
    })
    const first = batcher.add(1)
    await new Promise(resolve => setImmediate(resolve))
    const others = [batcher.add(2)]
    await new Promise(resolve => setImmediate(resolve))
    others.push(batcher.add(3))
    gate.resolve()
    await Promise.all([first, ...others])
    expect(batches).toEqual([[1], [2, 3]])
  })

  test('one bad item hurts only itself', async () => {
    const { batcher } = recording()
    const settled = await Promise.allSettled([1, 13, 3, 4, 5].map(item => batcher.add(item)))
    expect(settled.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
      'fulfilled',
    ])
  })

  test('many at once: in their order, with others in their batches, and one bad item hurts only itself', async () => {
    const { batcher, batches } = recording({ maxSize: 4 })
    const [one, many] = [batcher.add(1), batcher.addAll([2, 13, 3, 4, 5])]
    expect(await one).toBe(2)
    expect(await many).toEqual([
      { status: 'fulfilled', value: 4 },
      { status: 'rejected', reason: new Error('item') },
      ...[6, 8, 10].map(value => ({ status: 'fulfilled', value })),
    ])
    expect(batches[0]).toEqual([1, 2, 13, 3])
    expect(await batcher.addAll([])).toEqual([])
  })

  test('an error that is nobody’s fault fails the batch once, without asking for each', async () => {
    const { batcher, batches } = recording()
    const settled = await Promise.allSettled([1, 99, 3].map(item => batcher.add(item)))
    expect(settled.every(({ status }) => status === 'rejected')).toBe(true)
    expect(batches).toHaveLength(1)
  })

  test('a batch that answers too little is an error, not a wrong answer', async () => {
    const { batcher } = recording({ run: async () => [] })
    await expect(batcher.add(1)).rejects.toThrow('got 0 results')
  })

  test('paced: the first goes at once, what comes within the pace gathers, a full batch does not wait', async () => {
    jest.useFakeTimers()
    try {
      const { batcher, batches } = recording({ paceMs: 60, maxSize: 3 })
      const turn = (ms: number) => jest.advanceTimersByTimeAsync(ms)
      void batcher.add(1)
      await turn(1)
      expect(batches).toEqual([[1]])
      void batcher.add(2)
      await turn(50)
      void batcher.add(3)
      expect(batches).toEqual([[1]])
      await turn(10)
      expect(batches).toEqual([[1], [2, 3]])
      for (const item of [4, 5, 6]) void batcher.add(item)
      await turn(0)
      expect(batches).toEqual([[1], [2, 3], [4, 5, 6]])
    } finally {
      jest.useRealTimers()
    }
  })
})
