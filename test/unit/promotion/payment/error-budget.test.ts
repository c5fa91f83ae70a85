import { describe, expect, jest, test } from '@jest/globals'
import type { Counted, Ended, ErrorBudgetRepository } from '#database/promotions/error-budget.ts'
import { ErrorBudget, isOverBudget } from '#promotion/payment/error-budget.ts'
import { createLogger } from '#runtime/logger.ts'

describe('more than the share of at least 100 gifts', () => {
  test.each([
    ['99 of 99 are too few', 99, 99, 0.5, false],
    ['51 of 100', 100, 51, 0.5, true],
    ['half is not more than half', 100, 50, 0.5, false],
    ['another share', 1000, 21, 0.02, true],
    ['1 = never', 1000, 1000, 1, false],
  ])('%s', (_name, settled, failed, maxShare, isOver) => {
    expect(isOverBudget({ settled, failed }, maxShare)).toBe(isOver)
  })
})

describe('one process’s counts', () => {
  function budgetOf(options: { maxShare?: number; sums?: Map<string, Ended>; fails?: number } = {}) {
    const { maxShare = 0.5, sums } = options
    const [added, paused, forgotten] = [[] as ReadonlyMap<string, Ended>[], [] as [string, string][], [] as string[]]
    let failures = options.fails ?? 0
    const repository: ErrorBudgetRepository = {
      add: async counts => {
        if (failures-- > 0) throw new Error('away')
        added.push(new Map([...counts].map(([id, { settled, failed }]) => [id, { settled, failed }])))
        return sums ?? counts
      },
      pause: async (promotionId, reason) => {
        paused.push([promotionId, reason])
        return true
      },
    }
    const logger = createLogger('test', 'silent')
    const budget = new ErrorBudget({ repository, maxShare, logger, onPaused: id => forgotten.push(id) })
    return { budget, added, paused, forgotten }
  }
  const end = (budget: ErrorBudget, id: string, failed: number, paid = 0) => {
    for (let gift = 0; gift < failed + paid; gift++) budget.add(id, gift < failed)
  }

  test('are told by promotion, and begin at nothing again', async () => {
    const { budget, added, paused } = budgetOf()
    end(budget, '1', 2, 3)
    end(budget, '2', 0, 1)
    await budget.flush()
    await budget.flush()
    expect(added).toEqual([
      new Map([
        ['1', { settled: 5, failed: 2 }],
        ['2', { settled: 1, failed: 0 }],
      ]),
    ])
    expect(paused).toEqual([])
  })

  test('the sum over all instances decides, not this one’s share of it', async () => {
    const sums = new Map([['1', { settled: 200, failed: 101 }]])
    const { budget, paused, forgotten } = budgetOf({ sums })
    end(budget, '1', 1)
    await budget.flush()
    expect(paused).toEqual([
      ['1', '101 of 200 gifts FAILED within a minute, more than PROMOTION_MAX_FAILED_SHARE (0.5) allows'],
    ])
    expect(forgotten).toEqual(['1'])
  })

  test('the hundredth FAILED one is told by itself', () => {
    const { budget, added } = budgetOf()
    end(budget, '1', 99)
    expect(added).toHaveLength(0)
    end(budget, '1', 1)
    expect(added).toHaveLength(1)
  })

  test('what could not be told goes with the next', async () => {
    const { budget, added } = budgetOf({ fails: 1 })
    end(budget, '1', 2)
    await budget.flush()
    end(budget, '1', 1)
    await budget.flush()
    expect(added).toEqual([new Map([['1', { settled: 3, failed: 3 }]])])
  })

  test('1 = never: nothing is counted', async () => {
    const { budget, added } = budgetOf({ maxShare: 1 })
    end(budget, '1', 500)
    await budget.flush()
    expect(added).toEqual([])
  })
})

describe('what is counted', () => {
  const create = (maxShare: number) => {
    const told: [string, Counted][] = []
    let isAway = false
    const budget = new ErrorBudget({
      repository: {
        add: async counts => {
          if (isAway) throw new Error('away')
          told.push(...counts)
          return new Map()
        },
        pause: async () => true,
      },
      ...{ maxShare, onPaused: () => undefined, logger: createLogger('test', 'silent') },
    })
    const setAway = (value: boolean) => {
      isAway = value
    }
    return { budget, told, setAway }
  }

  test.each([
    [0.5, 1],
    [1, 0],
  ])('with a share of %s is told two seconds later while the process runs, %s times', async (maxShare, times) => {
    jest.useFakeTimers()
    try {
      const { budget, told } = create(maxShare)
      await budget.service.start()
      budget.add('1', true)
      await jest.advanceTimersByTimeAsync(1999)
      expect(told).toHaveLength(0)
      await jest.advanceTimersByTimeAsync(1)
      expect(told).toHaveLength(times)
      await budget.service.stop()
      budget.add('1', true)
      await jest.advanceTimersByTimeAsync(60_000)
      expect(told).toHaveLength(times)
    } finally {
      jest.useRealTimers()
    }
  })

  test('is as old as its first gift, also when it could not be told at once', async () => {
    jest.useFakeTimers()
    try {
      const { budget, told, setAway } = create(0.5)
      budget.add('1', true)
      jest.advanceTimersByTime(700)
      setAway(true)
      await budget.flush()
      budget.add('1', false)
      budget.add('2', false)
      jest.advanceTimersByTime(300)
      setAway(false)
      await budget.flush()
      expect(told).toEqual([
        ['1', { settled: 2, failed: 1, ageMs: 1000 }],
        ['2', { settled: 1, failed: 0, ageMs: 300 }],
      ])
    } finally {
      jest.useRealTimers()
    }
  })
})
