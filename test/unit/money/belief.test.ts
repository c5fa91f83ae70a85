import { expect, test } from '@jest/globals'
import { Belief } from '#money/belief.ts'
import type { HttpAnswer } from '#money/charge.ts'

const reply = (status: number, body = '{"transactionKey":"tx"}'): HttpAnswer => ({
  kind: 'reply',
  status,
  body,
  retryAfter: undefined,
})
const POST = { method: 'POST' } as const
const GET = { method: 'GET' } as const

/** A Money API whose GETs of paid keys are answered like this, at a time that the test sets. */
function create(
  paid: HttpAnswer | undefined,
  findPaid?: () => Promise<string | undefined>,
  hasPaid?: () => Promise<boolean>,
) {
  const clock = { ms: 100_000 }
  const asked: string[] = []
  const belief = new Belief({
    ask: async key => {
      asked.push(key)
      return paid
    },
    findPaid,
    hasPaid,
    now: () => clock.ms,
  })
  return { belief, clock, asked }
}

test('nothing was ever answered clearly: a 404 is not believed', async () => {
  const { belief, asked } = create(reply(404))
  expect(await belief.believes('VOUCHER:1', 'heard', 99_990)).toBe(false)
  expect(await belief.believes('VOUCHER:1', 'since', 99_990)).toBe(false)
  expect(asked).toEqual([])
})

test.each<[name: string, method: typeof POST | typeof GET, answer: HttpAnswer]>([
  ['200', POST, reply(200)],
  ['201', POST, reply(201)],
  ['400', POST, reply(400)],
  ['422', POST, reply(422)],
  ['200 to a GET', GET, reply(200)],
])('%s to a call that was sent later: believed, and nobody is asked', async (_name, method, answer) => {
  const { belief, asked } = create(reply(500))
  belief.note('VOUCHER:2', method, answer, 99_995)
  expect(await belief.believes('VOUCHER:1', 'since', 99_990)).toBe(true)
  expect(asked).toEqual([])
})

test.each([
  ['a millisecond before it', 99_989, false],
  ['at the same moment', 99_990, true],
])('a clear answer to a call that was sent %s', async (_name, sentAtMs, isClear) => {
  const { belief } = create(reply(500))
  belief.note('VOUCHER:2', POST, reply(200), sentAtMs)
  expect(belief.isClearSince(99_990)).toBe(isClear)
})

test.each<[name: string, answer: HttpAnswer]>([
  ['404', reply(404)],
  ['302', reply(302)],
  ['200 with HTML', reply(200, '<html>')],
  ['500', reply(500)],
  ['429', reply(429)],
  ['401', reply(401)],
])('%s is no clear answer', async (_name, answer) => {
  const { belief } = create(reply(404))
  belief.note('VOUCHER:2', GET, answer, 99_995)
  expect(await belief.believes('VOUCHER:1', 'heard', 99_990)).toBe(false)
})

test('what was paid before the 404 was sent is asked about, once for all who wait', async () => {
  const { belief, clock, asked } = create(reply(200))
  belief.note('VOUCHER:2', POST, reply(200), 99_000)
  clock.ms = 110_000
  const gifts = Array.from({ length: 50 }, (_, gift) => belief.believes(`VOUCHER:${gift + 10}`, 'since', 109_990))
  expect(new Set(await Promise.all(gifts))).toEqual(new Set([true]))
  expect(asked.length).toBeLessThanOrEqual(2)
})

test('a gateway stands there since: the paid key is not known either, and nothing is believed', async () => {
  const { belief, clock } = create(reply(404))
  belief.note('VOUCHER:2', POST, reply(200), 100_000)
  clock.ms = 100_020
  expect(await belief.believes('VOUCHER:1', 'since', 100_010)).toBe(false)
  clock.ms = 100_500
  expect(await belief.believes('VOUCHER:1', 'heard', 100_490)).toBe(false)
})

test('a process that has paid nothing yet asks about a gift of the database', async () => {
  const { belief, asked } = create(reply(200), async () => 'POINT:7')
  expect(await belief.believes('VOUCHER:1', 'since', 99_990)).toBe(true)
  expect(asked).toEqual(['POINT:7'])
})

test('the POSTs of several gifts find no route: a 404 is not believed though GETs are answered', async () => {
  const { belief, clock } = create(reply(200))
  belief.note('VOUCHER:9', POST, reply(200), 99_000)
  belief.note('VOUCHER:1', POST, reply(404), 99_990)
  expect(await belief.believes('VOUCHER:1', 'since', 99_995)).toBe(true)
  belief.note('VOUCHER:2', POST, reply(404), 99_991)
  expect(await belief.believes('VOUCHER:1', 'since', 99_995)).toBe(false)
  // A POST that was answered clearly since: the route is there.
  belief.note('VOUCHER:3', POST, reply(200), 99_999)
  expect(await belief.believes('VOUCHER:1', 'since', 99_995)).toBe(true)
  expect(clock.ms).toBe(100_000)
})

test('a POST that found no route a second ago says nothing any more', async () => {
  const { belief, clock } = create(reply(200))
  belief.note('VOUCHER:9', POST, reply(200), 99_000)
  belief.note('VOUCHER:2', POST, reply(404), 99_991)
  clock.ms = 100_999
  expect(await belief.believes('VOUCHER:1', 'since', 100_990)).toBe(false)
  clock.ms = 101_000
  expect(await belief.believes('VOUCHER:1', 'since', 100_990)).toBe(true)
})

test('a database that has no paid key is asked again after five seconds, not for each gift', async () => {
  let asked = 0
  const { belief, clock } = create(reply(200), async () => {
    asked++
    return undefined
  })
  // A clear answer not long ago: nobody waits for another.
  belief.note('VOUCHER:2', POST, reply(422), 99_990)
  clock.ms = 109_000
  for (let gift = 0; gift < 3; gift++) await belief.believes('VOUCHER:1', 'since', 108_990)
  expect(asked).toBe(1)
  clock.ms = 113_999
  await belief.confirm()
  expect(asked).toBe(1)
  clock.ms = 114_000
  await belief.confirm()
  expect(asked).toBe(2)
})

test('its own 400 or 422 is word enough', async () => {
  const { belief } = create(undefined)
  expect(await belief.believes('VOUCHER:1', 'given', 99_990)).toBe(true)
})

test.each<[name: string, hasPaid: () => Promise<boolean>, isBelieved: boolean]>([
  ['nothing was ever paid: the POST behind it finds out', async () => false, true],
  ['somebody was paid', async () => true, false],
  ['the database does not say', async () => Promise.reject(new Error('away')), false],
])('a precaution before a young gift’s POST, %s', async (_name, hasPaid, isBelieved) => {
  const { belief } = create(reply(404), async () => undefined, hasPaid)
  expect(await belief.believes('VOUCHER:1', 'young', 99_990)).toBe(isBelieved)
  // Of a key that may be forgotten, and of what would become FAILED, it is never enough.
  expect(await belief.believes('VOUCHER:1', 'heard', 99_990)).toBe(false)
  expect(await belief.believes('VOUCHER:1', 'since', 99_990)).toBe(false)
})
