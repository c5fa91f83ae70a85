import { expect, test } from '@jest/globals'
import { type ConsumerContext, PromotionConsumerRegistry } from '#promotion/consumers/consumer-registry.ts'
import { createLogger, type Logger } from '#runtime/logger.ts'

function create(logger = createLogger('test', 'silent')) {
  const registry = new PromotionConsumerRegistry(logger)
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

  pauses = 0

  async pause(): Promise<void> {
    this.pauses += 1
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
  }

  readonly #closed = Promise.withResolvers<void>()
  /** A handler is in flight: only its end, or force, closes it. */
  isBusy = false
  closes = 0

  async close(force = false): Promise<void> {
    this.closes += 1
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
  expect([one.pauses, other.pauses]).toEqual([1, 1])
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

const contextOf = (worker: FakeWorker) => ({ promotionId: '1', type: 'POINT', worker }) as unknown as ConsumerContext
const turn = () => new Promise(setImmediate)

test('a promotion has one set of consumers, however often it is registered', async () => {
  const { registry, register } = create()
  const worker = await register('1')
  const again = await registry.register('1', () => Promise.reject(new Error('a second set')))
  expect(again.worker).toBe(worker)
  expect(registry.promotionIds).toEqual(['1'])
})

test('of consumers that could not be made nothing stays: the next start makes them', async () => {
  const { registry, register } = create()
  await expect(registry.register('1', () => Promise.reject(new Error('away')))).rejects.toThrow('away')
  await turn()
  expect(registry.promotionIds).toEqual([])
  expect(registry.contexts).toEqual([])
  await register('1')
  expect(registry.contexts).toHaveLength(1)
})

test.each(['come up', 'fail'])(
  'consumers that %s after their promotion was stopped do not disturb the new ones',
  async end => {
    const { registry, register } = create()
    const slow = Promise.withResolvers<ConsumerContext>()
    const old = new FakeWorker()
    registry.register('1', () => slow.promise).catch(() => undefined)
    const closing = registry.shutdown('1')
    const fresh = await register('1')
    if (end === 'fail') slow.reject(new Error('away'))
    else slow.resolve(contextOf(old))
    await closing
    await turn()
    expect((await registry.get('1'))?.worker).toBe(fresh)
    expect(registry.contexts.map(({ worker }) => worker)).toEqual([fresh])
    expect(old.closes).toBe(end === 'fail' ? 0 : 1)
  },
)

test('consumers that come up after their promotion was stopped are not its consumers', async () => {
  const { registry } = create()
  const slow = Promise.withResolvers<ConsumerContext>()
  void registry.register('1', () => slow.promise)
  const closing = registry.shutdown('1')
  slow.resolve(contextOf(new FakeWorker()))
  await closing
  expect([registry.contexts, registry.promotionIds]).toEqual([[], []])
})

test('what is closed is not closed again by the process’s stop, and a stranger’s stop is no error', async () => {
  const lines: string[] = []
  const { registry, register } = create({
    error: (_fields: unknown, line: string) => lines.push(line),
  } as unknown as Logger)
  const worker = await register('1')
  await registry.shutdown('1')
  await registry.shutdown('1')
  await registry.shutdown('2')
  await registry.shutdownAll(AbortSignal.abort())
  await turn()
  expect([worker.closes, lines]).toEqual([1, []])
})

test('consumers that cannot be closed are told, and keep no other from its close', async () => {
  const lines: string[] = []
  const { registry, register } = create({
    error: (_fields: unknown, line: string) => lines.push(line),
  } as unknown as Logger)
  const [broken, whole] = [await register('1'), await register('2')]
  broken.close = () => Promise.reject(new Error('away'))
  await registry.shutdownAll()
  expect([whole.closes, lines]).toEqual([1, ['consumers did not close: away']])
})
