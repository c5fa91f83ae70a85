import { expect, test } from '@jest/globals'
import { type ConsumerContext, PromotionConsumerRegistry } from '#promotion/consumers/consumer-registry.ts'
import { createLogger } from '#runtime/logger.ts'

function create() {
  const registry = new PromotionConsumerRegistry(createLogger('test', 'silent'))
  const register = async (promotionId: string) => {
    const worker = new FakeWorker()
    await registry.register(
      promotionId,
      async () => ({ promotionId, type: 'POINT', worker }) as unknown as ConsumerContext,
    )
    return worker
  }
  return { registry, register }
}

class FakeWorker {
  #isPaused = false

  isPaused(): boolean {
    return this.#isPaused
  }

  async pause(): Promise<void> {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
  }

  readonly #closed = Promise.withResolvers<void>()
  /** A handler is in flight: only its end, or force, closes it. */
  isBusy = false

  async close(force = false): Promise<void> {
    if (force || !this.isBusy) this.finish()
    await this.#closed.promise
  }

  finish(): void {
    this.#closed.resolve()
  }
}

test('two reasons to wait do not fight: the last one taken back resumes', async () => {
  const { registry, register } = create()
  const [one, other] = [await register('1'), await register('2')]
  registry.pause('promotion-paused', '1')
  expect([one.isPaused(), other.isPaused()]).toEqual([true, false])
  registry.pause('money-api')
  registry.pause('money-api')
  expect([one.isPaused(), other.isPaused()]).toEqual([true, true])
  registry.release('promotion-paused', '1')
  registry.pause('promotion-paused', '2')
  expect([one.isPaused(), other.isPaused()]).toEqual([true, true])
  registry.release('money-api')
  expect([one.isPaused(), other.isPaused()]).toEqual([false, true])
})

test('consumers that come up while the Money API is not to be called wait too', async () => {
  const { registry, register } = create()
  registry.pause('money-api')
  const worker = await register('1')
  expect(worker.isPaused()).toBe(true)
  registry.release('money-api')
  expect(worker.isPaused()).toBe(false)
})

test('a reason goes with the consumers it was given for', async () => {
  const { registry, register } = create()
  await register('1')
  registry.pause('promotion-paused', '1')
  await registry.shutdown('1')
  expect(registry.contexts).toEqual([])
  expect((await register('1')).isPaused()).toBe(false)
})

test('a promotion that starts again while its old consumers still close gets new ones at once', async () => {
  const { registry, register } = create()
  const old = await register('1')
  old.isBusy = true
  const closing = registry.shutdown('1')
  const restarted = await register('1')
  expect(restarted).not.toBe(old)
  expect((await registry.get('1'))?.worker).toBe(restarted)
  old.finish()
  await closing
  expect((await registry.get('1'))?.worker).toBe(restarted)
  expect(registry.contexts).toHaveLength(1)
})

test('the process’s stop waits for consumers that were taken down before, and its deadline reaches them', async () => {
  const { registry, register } = create()
  const [ending, hanging] = [await register('1'), await register('2')]
  ending.isBusy = true
  hanging.isBusy = true
  void registry.shutdown('1')
  void registry.shutdown('2')
  const deadline = new AbortController()
  let isStopped = false
  const stopping = registry.shutdownAll(deadline.signal).then(() => {
    isStopped = true
  })
  ending.finish()
  await new Promise(setImmediate)
  expect(isStopped).toBe(false)
  deadline.abort()
  await stopping
})
