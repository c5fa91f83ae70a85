import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { type RunningMoneySimulator, startMoneySimulator } from '#local/money-api/money-simulator-server.ts'
import { createMoneyCampaignChargeApi } from '#money/charge-api.ts'
import { lookupPath } from '#money/charge-calls.ts'
import { MoneyGate } from '#money/gate.ts'
import { HttpPool } from '#money/http.ts'
import { createLogger } from '#runtime/logger.ts'
import { createFailFastRedisClient } from '#runtime/redis.ts'
import { startTestRedis, type TestRedis, until } from '#test/support/redis.ts'

const logger = createLogger('test', 'silent')
let redis: TestRedis
let money: RunningMoneySimulator
const closes: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())
beforeEach(async () => {
  await redis.probe.flushall()
  money = await startMoneySimulator({ port: 0, token: 'secret' })
})
afterEach(async () => {
  for (const close of closes.splice(0)) await close()
  await money.close()
})

/** An instance with a rate limit; `charge(n)` pays gift n. */
async function open(rateLimit: number, { token = 'secret', tellsRefusals = true } = {}) {
  const client = createFailFastRedisClient({ url: redis.url, cluster: false, logger })
  await client.connect()
  const baseUrl = `http://127.0.0.1:${money.port}`
  const http = new HttpPool({ baseUrl, token, timeoutMs: 1000, connections: 16 })
  const gate = new MoneyGate({ http, redis: client, rateLimit, probePath: lookupPath, logger, tellsRefusals })
  await gate.service.start()
  closes.push(async () => {
    await gate.service.stop()
    await http.close()
    client.disconnect()
  })
  const api = createMoneyCampaignChargeApi({ gate })
  const charge = (gift: number, mayCall?: () => Promise<boolean>) =>
    api.charge(
      { type: 'VOUCHER', promotionId: '1', targetId: String(gift), memberId: '3', amount: '5' },
      mayCall === undefined ? {} : { mayCall },
    )
  const control = (settings: Record<string, unknown>) =>
    fetch(`${baseUrl}/control`, { method: 'PUT', body: JSON.stringify(settings) })
  return { gate, charge, control }
}

test('what is not wanted any more while it waits for a permit is not called, and leaves its permit to the next', async () => {
  const { gate, charge } = await open(10)
  let isWanted = true
  const waiting = Array.from({ length: 200 }, (_, gift) => charge(gift + 1, async () => isWanted))
  await waiting[0]
  // Some for a permit, the others for their turn.
  expect(gate.callsWaiting).toBeGreaterThan(195)
  expect(gate.callsWaiting).toBeLessThan(200)
  isWanted = false
  const changedAt = performance.now()
  const other = charge(1000)
  const outcomes = await Promise.all(waiting)
  expect(await other).toMatchObject({ kind: 'charged' })
  expect(performance.now() - changedAt).toBeLessThan(2000)
  expect(gate.callsWaiting).toBe(0)
  const blocked = outcomes.filter(({ kind }) => kind === 'blocked')
  expect(blocked.length).toBeGreaterThan(190)
  expect(blocked.every(({ posts }) => posts === 0)).toBe(true)
})

test('a question that fails fails the call, and nothing is sent', async () => {
  const { charge } = await open(0)
  const asked = charge(1, async () => {
    throw new Error('database is away')
  })
  await expect(asked).rejects.toThrow('database is away')
  expect(await (await fetch(`http://127.0.0.1:${money.port}/ledger/summary`)).json()).toMatchObject({ charges: 0 })
})

test('when it goes down whoever waits for a permit hears it at once, and its return is found as soon as without them', async () => {
  const { gate, charge, control } = await open(20)
  await control({ down: true })
  const waiting = Array.from({ length: 400 }, (_, gift) => charge(gift + 1))
  await until('the breaker to open', () => gate.isBlocked)
  const downAt = performance.now()
  const outcomes = await Promise.all(waiting)
  expect(performance.now() - downAt).toBeLessThan(1000)
  expect(outcomes.filter(({ kind }) => kind === 'blocked').length).toBeGreaterThan(350)
  await control({ down: false })
  await until('calls to go on', () => !gate.isBlocked, 8000)
  expect(performance.now() - downAt).toBeLessThan(5000)
})

test('until the POSTs are answered again no gift is given up: not while it is down, and not by the first calls after it', async () => {
  const { gate, charge, control } = await open(0)
  expect(gate.isTroubled).toBe(false)
  await control({ down: true })
  await Promise.all(Array.from({ length: 20 }, (_, gift) => charge(gift + 1)))
  await until('the breaker to open', () => gate.isBlocked)
  expect(gate.isTroubled).toBe(true)
  await control({ down: false })
  await until('calls to go on', () => !gate.isBlocked, 8000)
  expect([gate.isTroubled, gate.status.breaker]).toEqual([true, 'half-open'])
  await Promise.all(Array.from({ length: 3 }, (_, gift) => charge(gift + 100)))
  expect([gate.isTroubled, gate.status.breaker]).toEqual([false, 'closed'])
})

test('an outage says by what, and since when', async () => {
  const { gate, charge, control } = await open(0)
  const before = new Date().toISOString()
  await control({ instead: 'status-405' })
  await Promise.all(Array.from({ length: 20 }, (_, gift) => charge(gift + 1)))
  await until('the breaker to open', () => gate.isBlocked)
  expect(gate.status).toMatchObject({ breaker: 'open', breakerReason: 'HTTP_405' })
  expect(gate.status.breakerSince >= before).toBe(true)
  expect(await charge(30)).toEqual({
    ...{ kind: 'blocked', posts: 0 },
    reason: 'the Money API gives no usable answer (HTTP_405)',
  })
})

test('refused credentials are said to whoever waits for a permit', async () => {
  const { gate, charge, control } = await open(10)
  await control({ refuseCredentials: true })
  const waiting = Array.from({ length: 100 }, (_, gift) => charge(gift + 1))
  await until('the refusal', () => gate.isBlocked)
  const refusedAt = performance.now()
  await Promise.all(waiting)
  expect(performance.now() - refusedAt).toBeLessThan(1000)
})

test('a shell with a wrong token is refused alone; a worker with one says so to all', async () => {
  const said = async () => JSON.parse((await redis.probe.get('promostream:money:credentials-refused')) ?? 'null')
  const shell = await open(0, { token: 'wrong', tellsRefusals: false })
  expect(await shell.charge(1)).toMatchObject({ kind: 'unauthorized' })
  expect(shell.gate.isBlocked).toBe(false)
  const workerAt = new Date().toISOString()
  const worker = await open(0, { token: 'wrong' })
  expect(await worker.charge(1)).toMatchObject({ kind: 'unauthorized' })
  await until('it is said', async () => (await said()) !== null)
  expect((await said()).since >= workerAt).toBe(true)
})
