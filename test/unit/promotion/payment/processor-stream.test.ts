import { describe, expect, test } from '@jest/globals'
import { createProcessorHarness, pendingRow } from '#test/support/processor-harness.ts'

describe.each(['VOUCHER', 'POINT'] as const)('processStreamMessage of %s (planning documents, 5.6.1)', type => {
  function withRow(overrides = {}) {
    const harness = createProcessorHarness(type, { streamEnabled: true })
    harness.rows.set('100', pendingRow(overrides))
    return harness
  }

  test('5.6.1 #1: finds the result, calls the Money API, updates to SUCCESS', async () => {
    const harness = withRow()
    expect(await harness.processor.processStreamMessage(harness.json())).toBeUndefined()
    expect(harness.calls).toEqual(['find', 'charge', 'SUCCESS'])
  })

  test('5.6.1 #2: no result: no call, an alarm and a dead letter', async () => {
    const harness = createProcessorHarness(type, { streamEnabled: true })
    expect(await harness.processor.processStreamMessage(harness.json())).toEqual({
      kind: 'dead-letter',
      reason: 'result-not-found',
    })
    expect(harness.calls).toEqual(['find'])
  })

  test.each(['SUCCESS', 'FAILED', 'UNKNOWN'] as const)('5.6.1 #3: already %s: no call', async processStatus => {
    const harness = withRow({ processStatus })
    expect(await harness.processor.processStreamMessage(harness.json())).toBeUndefined()
    expect(harness.calls).toEqual(['find'])
  })

  test('5.6.1 #4: a failed call is an updateError, then a retry message', async () => {
    const harness = withRow()
    harness.answer.charge = { kind: 'unsettled', code: 'HTTP_500', message: 'oops', posts: 1 }
    expect(await harness.processor.processStreamMessage(harness.json())).toBeUndefined()
    expect(harness.calls).toEqual(['find', 'charge', 'RETRYING', `publish:${type.toLowerCase()}-retry`])
    expect(harness.rows.get('100')).toMatchObject({ processStatus: 'RETRYING', attempts: 1 })
  })

  test('7.2 the same entry twice: the second finds SUCCESS and calls nothing', async () => {
    const harness = withRow()
    await harness.processor.processStreamMessage(harness.json())
    await harness.processor.processStreamMessage(harness.json())
    expect(harness.charges).toHaveLength(1)
  })

  test.each(['SUCCESS', 'RETRYING', 'FAILED'] as const)(
    '7.3 only PENDING calls the Money API, %s does not',
    async processStatus => {
      const harness = withRow({ processStatus })
      await harness.processor.processStreamMessage(harness.json())
      expect(harness.charges).toEqual([])
    },
  )

  test('7.3 the way PENDING → RETRYING → SUCCESS never leaves SUCCESS', async () => {
    const harness = withRow()
    harness.answer.charge = { kind: 'unsettled', code: 'TIMEOUT', message: 'silence', posts: 1 }
    await harness.processor.processStreamMessage(harness.json())
    expect(harness.rows.get('100')?.processStatus).toBe('RETRYING')
    await harness.deps.resultUpdateService.updateSuccess(type, harness.rows.get('100')!, 'tx-2', 1)
    await harness.deps.resultUpdateService.updateError(type, harness.rows.get('100')!, {
      status: 'FAILED',
      code: 'x',
      message: '',
      posts: 1,
    })
    expect(harness.rows.get('100')).toMatchObject({ processStatus: 'SUCCESS', moneyKey: 'tx-2' })
  })

  test('an error of updateSuccess propagates: no retry message, no other key', async () => {
    const harness = withRow()
    harness.fail.set('SUCCESS', new Error('database is away'))
    await expect(harness.processor.processStreamMessage(harness.json())).rejects.toThrow('database is away')
    expect(harness.events).toEqual([])
    harness.fail.clear()
    await harness.processor.processStreamMessage(harness.json())
    expect(harness.charges[0]).toEqual(harness.charges[1])
    expect(harness.rows.get('100')?.processStatus).toBe('SUCCESS')
  })

  test('an error of the retry topic propagates, and the next delivery publishes it', async () => {
    const harness = withRow()
    const topic = `publish:${type.toLowerCase()}-retry`
    harness.answer.charge = { kind: 'unsettled', code: 'HTTP_503', message: '', posts: 1 }
    harness.fail.set(topic, new Error('kafka is away'))
    await expect(harness.processor.processStreamMessage(harness.json())).rejects.toThrow('kafka is away')
    harness.fail.clear()
    expect(await harness.processor.processStreamMessage(harness.json())).toBeUndefined()
    expect(harness.events).toHaveLength(1)
    expect(harness.charges).toHaveLength(1)
  })

  test('an updateError that changes no row publishes nothing', async () => {
    const harness = withRow()
    harness.answer.charge = { kind: 'unsettled', code: 'HTTP_503', message: '', posts: 1 }
    const { find } = harness.deps.results[type]
    harness.deps.results[type].find = async targetId => {
      const row = await find(targetId)
      harness.rows.set('100', pendingRow({ processStatus: 'SUCCESS', moneyKey: 'tx-9' }))
      return row
    }
    await harness.processor.processStreamMessage(harness.json())
    expect(harness.events).toEqual([])
  })

  test('a refusal confirmed by the GET makes FAILED, and no retry', async () => {
    const harness = withRow()
    harness.answer.charge = { kind: 'failed', code: 'HTTP_422', message: 'no such member', posts: 1 }
    await harness.processor.processStreamMessage(harness.json())
    expect(harness.rows.get('100')?.processStatus).toBe('FAILED')
    expect(harness.events).toEqual([])
  })

  test('the last allowed POST unheard makes UNKNOWN, never FAILED, and no retry', async () => {
    const harness = withRow({ attempts: 7 })
    harness.answer.charge = { kind: 'unsettled', code: 'TIMEOUT', message: '', posts: 1 }
    await harness.processor.processStreamMessage(harness.json())
    expect(harness.rows.get('100')?.processStatus).toBe('UNKNOWN')
    expect(harness.events).toEqual([])
  })

  test('the last allowed POST in an outage makes no UNKNOWN: it is tried again, and counted', async () => {
    const harness = withRow({ attempts: 7 })
    harness.answer.charge = { kind: 'unsettled', code: 'HTTP_302', message: '', posts: 1, isOutage: true }
    await harness.processor.processStreamMessage(harness.json())
    expect(harness.rows.get('100')).toMatchObject({ processStatus: 'RETRYING', attempts: 8 })
    expect(harness.events).toHaveLength(1)
  })

  test.each(['unauthorized', 'aborted'] as const)('%s changes no row and comes again', async kind => {
    const harness = withRow()
    harness.answer.charge = { kind, code: 'HTTP_401', message: '', posts: 1 } as never
    expect((await harness.processor.processStreamMessage(harness.json()))?.kind).toBe('retry-later')
    expect(harness.rows.get('100')).toMatchObject({ processStatus: 'PENDING', attempts: 0 })
  })

  test.each(['PAUSED', 'STOPPED'] as const)('a %s promotion is not paid now', async promotionStatus => {
    const harness = withRow()
    harness.answer.promotionStatus = promotionStatus
    expect((await harness.processor.processStreamMessage(harness.json()))?.kind).toBe('retry-later')
    expect(harness.charges).toEqual([])
  })

  test('what is paid is what the row says, not what the entry says', async () => {
    const harness = withRow({ amount: '77', memberId: '88' })
    await harness.processor.processStreamMessage(harness.json({ amount: '999999', memberId: '1' }))
    expect(harness.charges).toEqual([{ type, promotionId: '1', targetId: '100', memberId: '88', amount: '77' }])
  })

  test('the retry message is the original plus attempt and lastError; ids are strings, unknown fields kept', async () => {
    const harness = withRow()
    harness.answer.charge = { kind: 'unsettled', code: 'HTTP_503', message: 'busy', posts: 1 }
    await harness.processor.processStreamMessage(harness.json({ campaign: { tier: 'gold' }, memberId: 5 }))
    const { key, value } = harness.events[0]!
    expect(key).toBe('k')
    expect(JSON.parse(value)).toMatchObject({
      campaign: { tier: 'gold' },
      memberId: '5',
      attempt: 1,
      lastError: 'HTTP_503: busy',
    })
  })

  test('a poisoned entry makes its row UNKNOWN / POISON', async () => {
    const harness = withRow()
    await harness.processor.markPoison(harness.json(), 6)
    expect(harness.rows.get('100')?.processStatus).toBe('UNKNOWN')
  })
})
