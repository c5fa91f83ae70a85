import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { FAULT_KINDS, type FaultKind } from '#local/money-api/money-faults.ts'
import {
  type MoneyServerOptions,
  type RunningMoneySimulator,
  startMoneySimulator,
} from '#local/money-api/money-simulator-server.ts'
import { BODY, call, charge, control, lines, summary } from './money-client.ts'

let simulator: RunningMoneySimulator
let port: number

async function restart(options: Partial<MoneyServerOptions> = {}): Promise<void> {
  await simulator?.close()
  simulator = await startMoneySimulator({ port: 0, latencyMs: 0, ...options })
  port = simulator.port
}

beforeEach(() => restart())
afterEach(() => simulator.close())

const PATH = '/v1/campaign-charges'
const lookup = (key: string) => call(port, 'GET', `${PATH}/${key}`)

describe('the contract', () => {
  test('a charge is answered with its transaction key, and found by its key afterwards', async () => {
    const { status, text } = await charge(port, 'VOUCHER:7')
    expect(status).toBe(200)
    const { transactionKey } = JSON.parse(text)
    expect(transactionKey).toMatch(/^tx-/)
    for (const key of ['VOUCHER:7', 'VOUCHER%3A7']) {
      expect(await lookup(key)).toMatchObject({ status: 200, text: JSON.stringify({ transactionKey }) })
    }
    expect((await lookup('VOUCHER:8')).status).toBe(404)
  })

  test('the same key with the same body gets the first answer again, however the body is written', async () => {
    const first = await charge(port, 'VOUCHER:7')
    const again = await charge(port, 'VOUCHER:7', Object.fromEntries(Object.entries(BODY).reverse()))
    expect(again).toMatchObject({ status: 200, text: first.text })
    expect(await summary(port)).toMatchObject({ charges: 1, byOutcome: { charged: 1, replayed: 1 } })
  })

  test.each(['promotionId', 'targetId', 'memberId', 'amount'])('the same key with another %s → 422', async field => {
    await charge(port, 'VOUCHER:7')
    expect((await charge(port, 'VOUCHER:7', { ...BODY, [field]: '12' })).status).toBe(422)
    expect(await summary(port)).toMatchObject({ charges: 1, amountSum: '1000' })
  })

  test('the same key while the first is in progress → 409, and one charge', async () => {
    await control(port, { latencyMs: 100 })
    const first = charge(port, 'VOUCHER:7')
    const second = charge(port, 'VOUCHER:7')
    const statuses = (await Promise.all([first, second])).map(({ status }) => status).sort()
    expect(statuses).toEqual([200, 409])
    expect(await summary(port)).toMatchObject({ charges: 1, duplicateCharges: 0 })
  })

  test.each([
    ['no JSON', '{'],
    ['no object', 'null'],
    ['a number instead of a string', JSON.stringify({ ...BODY, amount: 1000 })],
    ['an unknown type', JSON.stringify({ ...BODY, type: 'CASH' })],
    ['a missing field', JSON.stringify({ ...BODY, memberId: undefined })],
    ['a leading zero', JSON.stringify({ ...BODY, targetId: '07' })],
    ['more than 2^63-1', JSON.stringify({ ...BODY, amount: '9223372036854775808' })],
  ])('a body with %s → 400, nothing charged', async (_what, body) => {
    const reply = await call(port, 'POST', PATH, { headers: { 'idempotency-key': 'VOUCHER:7' }, body })
    expect(reply.status).toBe(400)
    expect((await lookup('VOUCHER:7')).status).toBe(404)
  })

  test('no Idempotency-Key → 400', async () => {
    expect((await call(port, 'POST', PATH, { body: JSON.stringify(BODY) })).status).toBe(400)
  })

  test('ids and amounts up to 2^63-1 are exact, and so is their sum', async () => {
    const largest = '9223372036854775807'
    await charge(port, `VOUCHER:${largest}`, { ...BODY, targetId: largest, amount: largest })
    await charge(port, 'VOUCHER:1', { ...BODY, targetId: '1', amount: largest })
    expect(await summary(port)).toMatchObject({ amountSum: '18446744073709551614' })
    expect((await lines(port, '/ledger/charges'))[0]).toMatchObject({ targetId: largest, amount: largest })
  })

  test('a token that was set is wanted, on both routes', async () => {
    await restart({ token: 'secret' })
    expect((await charge(port, 'VOUCHER:7')).status).toBe(401)
    expect((await lookup('VOUCHER:7')).status).toBe(401)
    const headers = { authorization: 'Bearer secret', 'idempotency-key': 'VOUCHER:7' }
    expect((await call(port, 'POST', PATH, { headers, body: JSON.stringify(BODY) })).status).toBe(200)
  })
})

describe('set at run time', () => {
  test('latency', async () => {
    await control(port, { latencyMs: 120 })
    const startedMs = performance.now()
    await charge(port, 'VOUCHER:7')
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(115)
  })

  test('down → 503, refused credentials → 401, and back again', async () => {
    await control(port, { down: true })
    expect((await charge(port, 'VOUCHER:7')).status).toBe(503)
    expect((await lookup('VOUCHER:7')).status).toBe(503)
    await control(port, { down: false, refuseCredentials: true })
    expect((await charge(port, 'VOUCHER:7')).status).toBe(401)
    await control(port, { refuseCredentials: false })
    expect((await charge(port, 'VOUCHER:7')).status).toBe(200)
  })

  test('a refused charge is refused for good and holds no charge', async () => {
    await control(port, { refuse: { status: 422, keys: ['VOUCHER:7'] } })
    expect((await charge(port, 'VOUCHER:7')).status).toBe(422)
    await control(port, { refuse: null })
    expect((await charge(port, 'VOUCHER:7')).status).toBe(422)
    expect((await lookup('VOUCHER:7')).status).toBe(404)
    expect((await charge(port, 'VOUCHER:8', { ...BODY, targetId: '8' })).status).toBe(200)
  })

  test.each([
    ['{"latency": 5}', /unknown setting latency/],
    ['{"faultPercent": 101}', /faultPercent cannot be 101/],
    ['{"faults": ["nope"]}', /known are error-500/],
    ['{"refuse": {"status": 500}}', /refuse cannot be/],
    ['[]', /not an object/],
  ])('settings that make no sense are refused: %s', async (body, message) => {
    const reply = await call(port, 'PUT', '/control', { body })
    expect(reply.status).toBe(400)
    expect(reply.text).toMatch(message)
  })
})

describe('faults', () => {
  const only = (...faults: FaultKind[]) => control(port, { faultPercent: 100, faults })
  const isCharged = async () => (await lookup('VOUCHER:7')).status === 200

  test.each([
    ['error-500', 500],
    ['error-503', 503],
    ['rate-limited', 429],
  ] as const)('%s answers %i and charges nothing', async (kind, status) => {
    await only(kind)
    const reply = await charge(port, 'VOUCHER:7')
    expect(reply.status).toBe(status)
    expect(reply.headers['retry-after']).toBe(status === 429 ? '1' : undefined)
    expect(await isCharged()).toBe(false)
  })

  test.each([
    ['reset-before', false],
    ['reset-after', true],
  ] as const)('%s resets the connection; the ledger holds a charge: %s', async (kind, isTaken) => {
    await only(kind)
    await expect(charge(port, 'VOUCHER:7')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(await isCharged()).toBe(isTaken)
    expect(await summary(port)).toMatchObject({ charges: isTaken ? 1 : 0, byOutcome: { [`fault:${kind}`]: 1 } })
  })

  test('timeout-after charges and never answers', async () => {
    await only('timeout-after')
    const abort = new AbortController()
    const unanswered = charge(port, 'VOUCHER:7', BODY, abort.signal)
    const failed = expect(unanswered).rejects.toMatchObject({ name: 'AbortError' })
    while (!(await isCharged())) await new Promise(setImmediate)
    abort.abort()
    await failed
  })

  test('slow answers late, within 1.5 s, and charges', async () => {
    await only('slow')
    const startedMs = performance.now()
    expect((await charge(port, 'VOUCHER:7')).status).toBe(200)
    const tookMs = performance.now() - startedMs
    expect(tookMs).toBeGreaterThan(500)
    expect(tookMs).toBeLessThan(1500)
  })

  test('cut-json charges and answers what cannot be read: cut in the JSON, or by the connection', async () => {
    await only('cut-json')
    const ways = new Set<string>()
    for (let target = 1; target <= 20; target++) {
      const reply = charge(port, `VOUCHER:${target}`, { ...BODY, targetId: String(target) })
      ways.add(
        await reply.then(
          ({ text }) => {
            expect(() => JSON.parse(text)).toThrow()
            return 'json'
          },
          error => error.code,
        ),
      )
    }
    expect([...ways].sort()).toEqual(['ECONNRESET', 'json'])
    expect(await summary(port)).toMatchObject({ charges: 20 })
  })

  test('what was applied and lost is answered when it is asked again', async () => {
    await only('reset-after')
    await charge(port, 'VOUCHER:7').catch(() => undefined)
    await control(port, { faultPercent: 0 })
    expect((await charge(port, 'VOUCHER:7')).status).toBe(200)
    expect(await summary(port)).toMatchObject({ charges: 1, duplicateCharges: 0 })
  })

  test('who does not wait for Retry-After is counted', async () => {
    await only('rate-limited')
    await charge(port, 'VOUCHER:7')
    await charge(port, 'VOUCHER:7')
    expect(await summary(port)).toMatchObject({ earlyRequests: 1 })
  })

  test('GETs have faults only when they are asked for', async () => {
    await charge(port, 'VOUCHER:7')
    await control(port, { lookupFaultPercent: 100, faults: ['error-503'] })
    expect((await lookup('VOUCHER:7')).status).toBe(503)
  })

  test('are the same in another run with the same seed, and others with another seed', async () => {
    const run = async (seed: number) => {
      await restart({ seed, faultPercent: 40, faults: FAULT_KINDS.filter(kind => !/slow|timeout/.test(kind)) })
      for (let target = 1; target <= 30; target++) {
        const body = { ...BODY, targetId: String(target) }
        for (let attempt = 1; attempt <= 2; attempt++)
          await charge(port, `VOUCHER:${target}`, body).catch(() => undefined)
      }
      return (await lines(port, '/ledger/requests')).map(({ key, attempt, outcome }) => `${key} ${attempt} ${outcome}`)
    }
    const first = await run(7)
    expect(first).toHaveLength(60)
    expect(await run(7)).toEqual(first)
    expect(await run(8)).not.toEqual(first)
  })
})

describe('the ledger', () => {
  test('counts what was charged twice when dedup is off', async () => {
    await control(port, { dedup: false })
    const keys: unknown[] = []
    for (let time = 0; time < 3; time++) keys.push(JSON.parse((await charge(port, 'VOUCHER:7')).text).transactionKey)
    expect(new Set(keys).size).toBe(3)
    expect(await summary(port)).toMatchObject({ charges: 3, distinctKeys: 1, duplicateCharges: 2, amountSum: '3000' })
  })

  test.each([
    ['before', ['other', 'VOUCHER:7']],
    ['after', ['VOUCHER:7', 'other']],
    ['and never', ['one', 'two']],
  ])('counts a target that was charged under another key %s its own', async (_when, keys) => {
    for (const key of keys) await charge(port, key)
    expect(await summary(port)).toMatchObject({ distinctKeys: 2, distinctTargets: 1, duplicateCharges: 1 })
  })

  test('lists the charges, those of one promotion on demand', async () => {
    await charge(port, 'VOUCHER:7')
    await charge(port, 'POINT:7', { ...BODY, type: 'POINT', promotionId: '420' })
    expect(await lines(port, '/ledger/charges')).toHaveLength(2)
    const transactionKey = 'tx-VOUCHER:7-1'
    const ofOne = await lines(port, '/ledger/charges?promotionId=42')
    expect(ofOne).toEqual([{ key: 'VOUCHER:7', ...BODY, transactionKey, atMs: expect.any(Number) }])
  })

  test('keeps the last 1,000 requests, or all of them', async () => {
    await control(port, { recordRequests: true })
    await charge(port, 'VOUCHER:7')
    await lookup('VOUCHER:7')
    expect(await lines(port, '/ledger/requests')).toMatchObject([
      { method: 'POST', key: 'VOUCHER:7', attempt: 1, outcome: 'charged' },
      { method: 'GET', key: 'VOUCHER:7', outcome: 'lookup-found' },
    ])
  })

  test('with a file, survives its own restart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ledger-'))
    try {
      const ledger = join(folder, 'ledger.ndjson')
      await restart({ ledger })
      const first = await charge(port, 'VOUCHER:7')
      await restart({ ledger, tellsAmount: true })
      const { transactionKey } = JSON.parse(first.text) as { transactionKey: string }
      expect(JSON.parse((await lookup('VOUCHER:7')).text)).toEqual({ transactionKey, amount: BODY.amount })
      expect(await charge(port, 'VOUCHER:7')).toMatchObject({ status: 200, text: first.text })
      expect((await charge(port, 'VOUCHER:7', { ...BODY, amount: '1' })).status).toBe(422)
      expect(await summary(port)).toMatchObject({ charges: 1, duplicateCharges: 0, amountSum: '1000' })
      expect(await lines(port, '/ledger/charges')).toHaveLength(1)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
