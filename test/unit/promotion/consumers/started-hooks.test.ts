import { expect, jest, test } from '@jest/globals'
import { createPromotionStartedHooks } from '#promotion/consumers/started-hooks.ts'
import type { PromotionStartedMessage } from '#queues/started.message.ts'
import type { Logger } from '#runtime/logger.ts'
import { until } from '#test/support/redis.ts'

const EVENT: PromotionStartedMessage = { promotionId: '7', totalCount: 3, type: 'POINT' }

function create(timeoutMs?: number) {
  const errors: { fields: Record<string, unknown>; line: string }[] = []
  const error = (fields: Record<string, unknown>, line: string) => void errors.push({ fields, line })
  const logger = { error } as unknown as Logger
  return { hooks: createPromotionStartedHooks({ logger, ...(timeoutMs === undefined ? {} : { timeoutMs }) }), errors }
}

test('every listener hears the event, after the call has returned, and with a copy of its own', async () => {
  const { hooks, errors } = create()
  const heard: PromotionStartedMessage[] = []
  hooks.onPromotionStarted('one', event => {
    heard.push({ ...event })
    event.totalCount = 99
  })
  hooks.onPromotionStarted('two', async event => void heard.push({ ...event }))
  hooks.notify(EVENT)
  expect(heard).toEqual([])
  await until('both have heard', () => heard.length === 2)
  expect(heard).toEqual([EVENT, EVENT])
  expect([EVENT.totalCount, errors]).toEqual([3, []])
})

test('one that throws, and one that rejects, are told by name and harm nobody', async () => {
  const { hooks, errors } = create()
  let heard = 0
  hooks.onPromotionStarted('throws', () => {
    throw new Error('boom')
  })
  hooks.onPromotionStarted('rejects', async () => Promise.reject(new Error('bang')))
  hooks.onPromotionStarted('works', () => void heard++)
  hooks.notify(EVENT)
  await until('all have ended', () => errors.length === 2 && heard === 1)
  expect(errors).toEqual([
    {
      fields: expect.objectContaining({ listener: 'throws', promotionId: '7' }),
      line: 'started listener throws: boom',
    },
    {
      fields: expect.objectContaining({ listener: 'rejects', promotionId: '7' }),
      line: expect.stringContaining('bang'),
    },
  ])
})

test('what is taken back hears nothing more; a name may be used twice', async () => {
  const { hooks } = create()
  const heard: string[] = []
  const takeBack = hooks.onPromotionStarted('same', () => void heard.push('first'))
  hooks.onPromotionStarted('same', () => void heard.push('second'))
  takeBack()
  hooks.notify(EVENT)
  await until('the other has heard', () => heard.length > 0)
  expect(heard).toEqual(['second'])
})

test('one that hangs is told, and its signal aborts', async () => {
  const { hooks, errors } = create(1)
  const reasons: unknown[] = []
  hooks.onPromotionStarted('hangs', (_event, signal) => {
    expect(signal.aborted).toBe(false)
    signal.addEventListener('abort', () => reasons.push(signal.reason))
    return new Promise(() => undefined)
  })
  hooks.notify(EVENT)
  await until('its time is up', () => errors.length === 1)
  expect(reasons).toEqual([expect.objectContaining({ code: 'LISTENER_TIMEOUT' })])
  expect(errors[0]?.line).toBe('started listener hangs: not done within 1 ms')
})

test('a listener has ten seconds', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] })
  try {
    const { hooks, errors } = create()
    const begun = Promise.withResolvers<void>()
    hooks.onPromotionStarted('slow', () => {
      begun.resolve()
      return new Promise(() => undefined)
    })
    hooks.notify(EVENT)
    await begun.promise
    await jest.advanceTimersByTimeAsync(9999)
    expect(errors).toEqual([])
    await jest.advanceTimersByTimeAsync(1)
    expect(errors).toHaveLength(1)
  } finally {
    jest.useRealTimers()
  }
})
