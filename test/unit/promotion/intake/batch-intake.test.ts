import { describe, expect, test } from '@jest/globals'
import type { DoStep } from '#promotion/intake/gift-intake.ts'
import { createProcessorHarness, ORIGIN, type ProcessorHarness } from '#test/support/processor-harness.ts'

/** Heals what was made to fail when the first step is tried again, and counts the tries. */
function patient(harness: ProcessorHarness): { doStep: DoStep; tries: () => number } {
  let tries = 0
  const doStep: DoStep = async step => {
    tries += 1
    harness.fail.clear()
    return step()
  }
  return { doStep, tries: () => tries }
}

const messagesOf = (harness: ProcessorHarness, targets: readonly string[]) =>
  targets.map(target => ({ json: harness.json({ voucherTargetId: target }), origin: ORIGIN }))

describe('a batch of messages', () => {
  test('each becomes what it would have become alone, in order; rows first, then entries', async () => {
    const harness = createProcessorHarness('VOUCHER', { streamEnabled: true })
    const messages = messagesOf(harness, ['1', '2', '1', '0'])
    messages.splice(1, 0, { json: '{', origin: ORIGIN })
    const outcomes = await harness.processor.processTopicMessages(messages, step => step())
    expect(outcomes).toEqual(['inserted', 'invalid', 'inserted', 'duplicate', 'invalid'])
    const flow = harness.calls.filter(call => !call.startsWith('publish'))
    expect(flow).toEqual(['insert', 'insert', 'insert', 'enqueue', 'enqueue'])
    expect(harness.events).toHaveLength(2)
  })

  test('a database that is away: every gift is tried again by itself, and has one row and one entry', async () => {
    const harness = createProcessorHarness('VOUCHER', { streamEnabled: true })
    harness.fail.set('insert', new Error('PostgreSQL is away'))
    const { doStep } = patient(harness)
    expect(await harness.processor.processTopicMessages(messagesOf(harness, ['1', '2']), doStep)).toEqual([
      'inserted',
      'inserted',
    ])
    expect(harness.calls).toEqual(['insert', 'insert', 'insert', 'insert', 'enqueue', 'enqueue'])
    expect([...harness.rows.keys()]).toEqual(['1', '2'])
  })

  test('a Redis that takes no entry: the entry is tried again, the insert is not', async () => {
    const harness = createProcessorHarness('VOUCHER', { streamEnabled: true })
    harness.fail.set('enqueue', new Error('Redis is away'))
    const { doStep, tries } = patient(harness)
    expect(await harness.processor.processTopicMessages(messagesOf(harness, ['1', '2']), doStep)).toEqual([
      'inserted',
      'inserted',
    ])
    expect(harness.calls).toEqual(['insert', 'insert', 'enqueue', 'enqueue', 'enqueue', 'enqueue'])
    expect(tries()).toBe(2)
  })

  test.each([
    { step: 'admitAll', steps: ['insert', 'enqueue'] },
    { step: 'enqueueEach', steps: ['enqueue'] },
  ] as const)('a stream that rejects $step: only its gifts are tried again', async ({ step, steps }) => {
    const harness = createProcessorHarness('VOUCHER', { streamEnabled: true })
    const { streamProducer } = harness.deps
    const whole = streamProducer[step].bind(streamProducer) as (key: string, of: never) => Promise<never>
    const isRejected = (streamKey: string) => streamKey === 'campaign-promotion-2:voucher:stream'
    const sound: unknown[] = []
    Object.assign(streamProducer, {
      [step]: async (streamKey: string, of: never) => {
        if (isRejected(streamKey)) throw new Error('this one not')
        sound.push(of)
        return whole(streamKey, of)
      },
    })
    const messages = ['1', '2', '1', '2', '1'].map((promotionId, at) => ({
      json: harness.json({ promotionId, voucherTargetId: String(at + 1) }),
      origin: ORIGIN,
    }))
    const { doStep, tries } = patient(harness)
    const taken = harness.processor.processTopicMessages(messages, doStep)
    await expect(taken).resolves.toEqual(Array(5).fill('inserted'))
    expect(sound).toHaveLength(1)
    expect(harness.calls.filter(call => call === 'insert')).toHaveLength(5)
    expect(harness.calls.filter(call => call === 'enqueue')).toHaveLength(5)
    // Of the two of that stream, by themselves, what was not done with the others.
    expect(tries()).toBe(2 * steps.length)
  })

  test('a stream without room: rows alone; what was given and not used is given back', async () => {
    const harness = createProcessorHarness('VOUCHER', { streamEnabled: true })
    const released: number[] = []
    Object.assign(harness.deps.streamProducer, {
      admitAll: async () => 2,
      release: (_streamKey: string, count: number) => released.push(count),
    })
    const messages = messagesOf(harness, ['1', '1', '2'])
    expect(await harness.processor.processTopicMessages(messages, step => step())).toEqual([
      'inserted',
      'duplicate',
      'inserted',
    ])
    expect(harness.calls).toEqual(['insert', 'insert', 'insert', 'enqueue'])
    expect(released).toEqual([1])
  })

  test('what is skipped is written down again until it is, without a second insert', async () => {
    const harness = createProcessorHarness('VOUCHER', { streamEnabled: true })
    harness.answer.insert = { kind: 'skipped', reason: 'promotion-stopped' }
    harness.fail.set('skip', new Error('PostgreSQL is away'))
    const doStep: DoStep = step => step().catch(() => patient(harness).doStep(step))
    expect(await harness.processor.processTopicMessages(messagesOf(harness, ['1']), doStep)).toEqual(['skipped'])
    expect(harness.calls).toEqual(['insert', 'skip', 'skip'])
  })

  test('the listener that pays by itself pays each', async () => {
    const harness = createProcessorHarness('VOUCHER', { streamEnabled: false })
    await harness.processor.processTopicMessages(messagesOf(harness, ['1', '2']), step => step())
    expect([...harness.rows.values()].map(({ processStatus }) => processStatus)).toEqual(['SUCCESS', 'SUCCESS'])
    expect(harness.calls).not.toContain('enqueue')
  })

  test('a stop ends it', async () => {
    const harness = createProcessorHarness('VOUCHER', { streamEnabled: true })
    harness.fail.set('insert', new Error('PostgreSQL is away'))
    const stopping = harness.processor.processTopicMessages(messagesOf(harness, ['1', '2']), () =>
      Promise.reject(new Error('stopping')),
    )
    await expect(stopping).rejects.toThrow('stopping')
  })
})
