import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import type { HttpAnswer } from '#money/charge.ts'
import { MoneyGate } from '#money/gate.ts'
import { createLogger } from '#runtime/logger.ts'

beforeEach(() => void jest.useFakeTimers())
afterEach(() => {
  jest.useRealTimers()
  jest.restoreAllMocks()
})

const reply = (status: number): HttpAnswer => ({
  kind: 'reply',
  status,
  body: status === 200 ? '{"transactionKey":"tx"}' : '',
  retryAfter: undefined,
})

/** A gate whose POSTs stand open until the test answers them, in the order in which they were made; GETs are answered so. */
function gateOf(got: () => number = () => 503) {
  const posts: ((answer: HttpAnswer) => void)[] = []
  const exchange = async ({ method }: { method: string }) =>
    method === 'GET' ? reply(got()) : new Promise<HttpAnswer>(resolve => posts.push(resolve))
  const gate = new MoneyGate({
    http: { exchange },
    redis: { get: async () => null },
    rateLimit: 0,
    probePath: (key: string) => `/${key}`,
    logger: createLogger('test', 'silent'),
  } as never)
  let gift = 0
  const post = (signal?: AbortSignal) =>
    gate.exchange(`VOUCHER:${++gift}`, { method: 'POST', path: '/', body: '', ...(signal && { signal }) } as never)
  const postMany = (count: number) => Array.from({ length: count }, () => post())
  const answer = async (count: number, status: number) => {
    for (const resolve of posts.splice(0, count)) resolve(reply(status))
    await turns()
  }
  return { gate, posts, post, postMany, answer }
}

/** Whatever is due without time going by. */
const turns = () => jest.advanceTimersByTimeAsync(0)

test('at first ten calls at once; each usable answer makes room for one more, and its place is the next one’s', async () => {
  const { posts, postMany, answer } = gateOf()
  jest.advanceTimersByTime(5000)
  void postMany(40)
  await turns()
  expect(posts).toHaveLength(10)
  await answer(5, 200)
  expect(posts).toHaveLength(15)
})

test('an answer that is of no use makes no room, but leaves its place', async () => {
  const { posts, postMany, answer } = gateOf()
  jest.advanceTimersByTime(5000)
  void postMany(40)
  await turns()
  await answer(5, 503)
  expect(posts).toHaveLength(10)
})

test('a call that could not be asked about is told to its caller, and makes no room', async () => {
  const { gate, posts, postMany } = gateOf()
  jest.advanceTimersByTime(5000)
  const call = { method: 'POST', path: '/', body: '' } as never
  const mayCall = () => Promise.reject(new Error('no database'))
  for (let count = 0; count < 5; count++)
    await expect(gate.exchange(`POINT:${count}`, call, { mayCall })).rejects.toThrow('no database')
  void postMany(40)
  await turns()
  expect(posts).toHaveLength(10)
})

test('ten gifts in vain: whoever waits is told so at once, and so is who feeds it; nothing more is sent', async () => {
  const { gate, posts, postMany, answer } = gateOf()
  jest.advanceTimersByTime(5000)
  const told: boolean[] = []
  gate.onBlocked(isBlocked => told.push(isBlocked))
  const all = postMany(30)
  await turns()
  await answer(10, 503)
  const reason = 'the Money API gives no usable answer (HTTP_503)'
  const answers = await Promise.all(all.slice(20))
  expect(answers).toEqual(answers.map(() => ({ kind: 'blocked', reason })))
  expect([gate.isBlocked, told, gate.status.breaker, gate.status.breakerReason]).toEqual([
    true,
    [true],
    'open',
    'HTTP_503',
  ])
  const before = posts.length
  expect(await postMany(1)[0]).toEqual({ kind: 'blocked', reason })
  expect(posts).toHaveLength(before)
  const late: boolean[] = []
  gate.onBlocked(isBlocked => late.push(isBlocked))
  expect(late).toEqual([true])
})

test('each outage is asked about after a second, whatever came before the Money API was back', async () => {
  jest.spyOn(Math, 'random').mockReturnValue(0)
  let gets = 0
  const { gate, postMany, answer } = gateOf(() => {
    gets += 1
    return 200
  })
  for (let outage = 1; outage <= 2; outage++) {
    await gate.reportOutage('HTTP_502')
    await jest.advanceTimersByTimeAsync(999)
    expect([gets, gate.isBlocked]).toEqual([outage - 1, true])
    await jest.advanceTimersByTimeAsync(1)
    expect([gets, gate.isBlocked]).toEqual([outage, false])
    void postMany(3)
    await turns()
    await answer(3, 422)
    void postMany(3)
    await turns()
    await answer(3, 200)
    expect(gate.status.breaker).toBe('closed')
  }
})

test('a stop tells whoever waits, and what is under way has its end', async () => {
  const { gate, postMany, answer } = gateOf()
  await gate.service.start()
  jest.advanceTimersByTime(5000)
  const all = postMany(12)
  await turns()
  await gate.service.stop()
  expect(await Promise.all(all.slice(10))).toEqual(Array(2).fill({ kind: 'blocked', reason: 'stopping' }))
  await answer(10, 200)
  expect((await Promise.all(all.slice(0, 10))).map(({ kind }) => kind)).toEqual(Array(10).fill('reply'))
})

test('an outage that a gift has found out blocks it, by its code; one that is known already changes nothing', async () => {
  const { gate } = gateOf()
  await gate.reportOutage('HTTP_502')
  expect([gate.isBlocked, gate.isTroubled, gate.status.breakerReason]).toEqual([true, true, 'HTTP_502'])
  await gate.reportOutage('HTTP_503')
  expect(gate.status.breakerReason).toBe('HTTP_502')
})

test('who is told of blocks is told when it begins, and not before', () => {
  const told: boolean[] = []
  gateOf().gate.onBlocked(isBlocked => told.push(isBlocked))
  expect(told).toEqual([])
})
