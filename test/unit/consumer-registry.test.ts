import { expect, test } from '@jest/globals'
import { type ConsumerContext, PromotionConsumerRegistry } from '#promotion/consumer-registry.ts'
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

  async close(): Promise<void> {}
}

test('two reasons to wait do not fight: the last one taken back resumes', async () => {
  const { registry, register } = create()
  const [one, other] = [await register('1'), await register('2')]
  registry.hold('promotion-paused', '1')
  expect([one.isPaused(), other.isPaused()]).toEqual([true, false])
  registry.hold('money-api')
  registry.hold('money-api')
  expect([one.isPaused(), other.isPaused()]).toEqual([true, true])
  registry.release('promotion-paused', '1')
  registry.hold('promotion-paused', '2')
  expect([one.isPaused(), other.isPaused()]).toEqual([true, true])
  registry.release('money-api')
  expect([one.isPaused(), other.isPaused()]).toEqual([false, true])
})

test('consumers that come up while the Money API is not to be called wait too', async () => {
  const { registry, register } = create()
  registry.hold('money-api')
  const worker = await register('1')
  expect(worker.isPaused()).toBe(true)
  registry.release('money-api')
  expect(worker.isPaused()).toBe(false)
})

test('a reason goes with the consumers it was given for', async () => {
  const { registry, register } = create()
  await register('1')
  registry.hold('promotion-paused', '1')
  await registry.shutdown('1')
  expect(registry.contexts).toEqual([])
  expect((await register('1')).isPaused()).toBe(false)
})
