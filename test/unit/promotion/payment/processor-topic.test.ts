import { describe, expect, test } from '@jest/globals'
import type { DoStep } from '#promotion/intake/gift-intake.ts'
import { createProcessorHarness, ORIGIN, pendingRow } from '#test/support/processor-harness.ts'

/** A step that failed is done once more, after `heal`. */
function twice(heal: () => void): { doStep: DoStep; errors: string[] } {
  const errors: string[] = []
  const doStep: DoStep = async step => {
    try {
      return await step()
    } catch (error) {
      errors.push((error as Error).message)
      heal()
      return await step()
    }
  }
  return { doStep, errors }
}

describe.each(['VOUCHER', 'POINT'] as const)('processTopicMessage of %s', type => {
  describe('enabled=true (planning documents, 4.6.1)', () => {
    test('4.6.1 #1: calls enqueue and never the Money API', async () => {
      const harness = createProcessorHarness(type, { streamEnabled: true })
      expect(await harness.processor.processTopicMessage(harness.json(), ORIGIN)).toBe('inserted')
      expect(harness.calls).toContain('enqueue')
      expect(harness.calls).not.toContain('charge')
    })

    test('4.6.1 #2: saves the result before it enqueues', async () => {
      const harness = createProcessorHarness(type, { streamEnabled: true })
      await harness.processor.processTopicMessage(harness.json(), ORIGIN)
      expect(harness.calls).toEqual(['insert', 'enqueue'])
    })

    test('4.6.1 #3: a duplicate of saveResult is skipped, without an entry', async () => {
      const harness = createProcessorHarness(type, { streamEnabled: true })
      await harness.processor.processTopicMessage(harness.json(), ORIGIN)
      harness.calls.length = 0
      expect(await harness.processor.processTopicMessage(harness.json(), ORIGIN)).toBe('duplicate')
      expect(harness.calls).toEqual(['insert'])
    })

    test('4.6.1 #4: a failed enqueue propagates to the listener, and goes on without a second insert', async () => {
      const harness = createProcessorHarness(type, { streamEnabled: true })
      harness.fail.set('enqueue', new Error('redis is away'))
      const { doStep, errors } = twice(() => harness.fail.clear())
      expect(await harness.processor.processTopicMessage(harness.json(), ORIGIN, doStep)).toBe('inserted')
      expect(errors).toEqual(['redis is away'])
      expect(harness.calls).toEqual(['insert', 'enqueue', 'enqueue'])
    })

    test('4.6.1 #4: a failed insert is tried again by itself, its place on the stream given back', async () => {
      const harness = createProcessorHarness(type, { streamEnabled: true })
      harness.fail.set('insert', new Error('postgres is away'))
      const { doStep } = twice(() => harness.fail.clear())
      expect(await harness.processor.processTopicMessage(harness.json(), ORIGIN, doStep)).toBe('inserted')
      expect(harness.calls).toEqual(['insert', 'insert', 'enqueue'])
    })

    test('a promotion that is READY gets the row, no entry', async () => {
      const harness = createProcessorHarness(type, { streamEnabled: true })
      harness.answer.promotionStatus = 'READY'
      expect(await harness.processor.processTopicMessage(harness.json(), ORIGIN)).toBe('inserted')
      expect(harness.calls).toEqual(['insert'])
    })

    test('a full stream gets the row, no entry', async () => {
      const harness = createProcessorHarness(type, { streamEnabled: true })
      harness.answer.room = false
      expect(await harness.processor.processTopicMessage(harness.json(), ORIGIN)).toBe('inserted')
      expect(harness.calls).toEqual(['insert'])
    })
  })

  describe('enabled=false (planning documents, 4.6.2)', () => {
    test('4.6.2 #1: calls the Money API and never enqueue', async () => {
      const harness = createProcessorHarness(type, { streamEnabled: false })
      await harness.processor.processTopicMessage(harness.json(), ORIGIN)
      expect(harness.calls).toContain('charge')
      expect(harness.calls).not.toContain('enqueue')
    })

    test('4.6.2 #2: a duplicate of saveResult is skipped, without a call', async () => {
      const harness = createProcessorHarness(type, { streamEnabled: false })
      await harness.processor.processTopicMessage(harness.json(), ORIGIN)
      harness.calls.length = 0
      expect(await harness.processor.processTopicMessage(harness.json(), ORIGIN)).toBe('duplicate')
      expect(harness.calls).toEqual(['insert'])
    })

    test('4.6.2 #3: a successful call updates the row to SUCCESS', async () => {
      const harness = createProcessorHarness(type, { streamEnabled: false })
      await harness.processor.processTopicMessage(harness.json(), ORIGIN)
      expect(harness.calls.at(-1)).toBe('SUCCESS')
      expect(harness.rows.get('100')).toMatchObject({ processStatus: 'SUCCESS', moneyKey: 'tx-1', attempts: 1 })
    })

    test('4.6.2 #4: a failed call is an updateError, then a retry message', async () => {
      const harness = createProcessorHarness(type, { streamEnabled: false })
      harness.answer.charge = { kind: 'unsettled', code: 'HTTP_503', message: 'busy', posts: 1 }
      await harness.processor.processTopicMessage(harness.json(), ORIGIN)
      const retryTopic = `${type.toLowerCase()}-retry`
      expect(harness.calls.slice(-2)).toEqual(['RETRYING', `publish:${retryTopic}`])
    })
  })

  test.each(['PAUSED', 'STOPPED', 'COMPLETED'] as const)(
    'enabled=false: a gift whose promotion is %s by the time of its call is not paid, and its offset does not wait',
    async promotionStatus => {
      const harness = createProcessorHarness(type, { streamEnabled: false })
      harness.answer.insert = { kind: 'inserted', promotionStatus: 'IN_PROGRESS', enqueued: true }
      harness.rows.set('100', pendingRow())
      harness.answer.promotionStatus = promotionStatus
      expect(await harness.processor.processTopicMessage(harness.json(), ORIGIN)).toBe('inserted')
      expect(harness.calls).toEqual(['insert', 'find'])
      expect(harness.rows.get('100')?.processStatus).toBe('PENDING')
    },
  )

  describe('idempotence (planning documents, 7)', () => {
    test.each([false, true])(
      '7.1 saveResult succeeded, enabled=%s: Money API or stream, never both',
      async streamEnabled => {
        const harness = createProcessorHarness(type, { streamEnabled })
        await harness.processor.processTopicMessage(harness.json(), ORIGIN)
        expect(harness.calls.includes('enqueue')).toBe(streamEnabled)
        expect(harness.calls.includes('charge')).toBe(!streamEnabled)
      },
    )

    test.each([false, true])('7.1 saveResult duplicate, enabled=%s: skip', async streamEnabled => {
      const harness = createProcessorHarness(type, { streamEnabled })
      harness.answer.insert = { kind: 'duplicate' }
      expect(await harness.processor.processTopicMessage(harness.json(), ORIGIN)).toBe('duplicate')
      expect(harness.calls).toEqual(['insert'])
    })

    test('7.1.1 saveResult succeeded, enqueue failed: the row stays PENDING for the recovery to find', async () => {
      const harness = createProcessorHarness(type, { streamEnabled: true })
      harness.fail.set('enqueue', new Error('redis is away'))
      await harness.processor.processTopicMessage(harness.json(), ORIGIN).catch(() => undefined)
      expect(harness.rows.get('100')?.processStatus).toBe('PENDING')
    })
  })

  test('a database error on insert is not taken for a duplicate: it propagates', async () => {
    const harness = createProcessorHarness(type, { streamEnabled: true })
    harness.fail.set('insert', Object.assign(new Error('server closed the connection'), { code: '57P01' }))
    await expect(harness.processor.processTopicMessage(harness.json(), ORIGIN)).rejects.toThrow('server closed')
    expect(harness.events).toEqual([])
  })

  test('a row that PostgreSQL refuses for its content goes to the invalid topic', async () => {
    const harness = createProcessorHarness(type, { streamEnabled: true })
    harness.fail.set('insert', Object.assign(new Error('value out of range'), { code: '22003' }))
    expect(await harness.processor.processTopicMessage(harness.json(), ORIGIN)).toBe('invalid')
    expect(JSON.parse(harness.events[0]!.value)).toMatchObject({ topic: 'gifts', partition: 1, offset: '7' })
  })

  test('a target conflict goes to the invalid topic', async () => {
    const harness = createProcessorHarness(type, { streamEnabled: true })
    harness.answer.insert = { kind: 'target-conflict' }
    expect(await harness.processor.processTopicMessage(harness.json(), ORIGIN)).toBe('invalid')
    expect(JSON.parse(harness.events[0]!.value).reason).toBe('target-conflict')
  })

  test('a gift for a promotion that has ended is written down as skipped', async () => {
    const harness = createProcessorHarness(type, { streamEnabled: true })
    harness.answer.insert = { kind: 'skipped', reason: 'promotion-completed' }
    expect(await harness.processor.processTopicMessage(harness.json(), ORIGIN)).toBe('skipped')
    expect(harness.skipped).toMatchObject([{ offset: '7', targetId: '100', reason: 'promotion-completed' }])
  })

  test('an updateSuccess that fails in the direct way is repeated with the same key, never sent to retry', async () => {
    const harness = createProcessorHarness(type, { streamEnabled: false })
    harness.fail.set('SUCCESS', new Error('database is away'))
    const { doStep } = twice(() => harness.fail.clear())
    await harness.processor.processTopicMessage(harness.json(), ORIGIN, doStep)
    expect(harness.calls).toEqual(['insert', 'find', 'charge', 'SUCCESS', 'find', 'charge', 'SUCCESS'])
    expect(harness.events).toEqual([])
    expect(harness.rows.get('100')?.processStatus).toBe('SUCCESS')
    expect(new Set(harness.charges.map(charge => `${charge.type}:${charge.targetId}`)).size).toBe(1)
  })
})
