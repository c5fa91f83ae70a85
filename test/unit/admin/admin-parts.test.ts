import { describe, expect, test } from '@jest/globals'
import { withoutInline } from '#admin/board/page.ts'
import { giftTimeline, timelineInWords } from '#admin/gift-timeline.ts'
import { giftPage } from '#admin/pages/gift.page.ts'
import { isForeign, isLocalName } from '#admin/security/origin.ts'
import { createUsers } from '#admin/security/users.ts'
import { TEXTS } from '#admin/texts/texts.ts'
import type { GiftRecord } from '#database/gifts/gift.ts'
import { createPromotionStartedHooks } from '#promotion/consumers/started-hooks.ts'
import type { Logger } from '#runtime/logger.ts'
import { hashPassword } from '#runtime/password.ts'

describe('origin', () => {
  test.each([
    [{ host: 'a.example' }, false],
    [{ host: 'a.example', origin: 'https://a.example' }, false],
    [{ host: 'a.example:3000', origin: 'http://a.example:3000' }, false],
    [{ host: 'a.example', origin: 'https://b.example' }, true],
    [{ host: 'a.example', origin: 'https://a.example.evil' }, true],
    [{ host: 'a.example:3000', origin: 'http://a.example:3001' }, true],
    [{ host: 'a.example', origin: 'null' }, true],
    [{ host: 'a.example', 'sec-fetch-site': 'cross-site' }, true],
    [{ host: 'a.example', 'sec-fetch-site': 'same-site' }, true],
    [{ host: 'a.example', origin: 'https://a.example', 'sec-fetch-site': 'same-origin' }, false],
  ])('%j is foreign: %s', (headers, foreign) => {
    expect(isForeign(headers)).toBe(foreign)
  })

  test('only what nobody else can hear is local', () => {
    expect(['localhost', '127.0.0.1', '[::1]', 'x.localhost'].every(isLocalName)).toBe(true)
    expect(['example.com', '10.0.0.1', 'localhost.example.com', '127.0.0.1.evil'].some(isLocalName)).toBe(false)
  })
})

describe('users', () => {
  test('a right pair is remembered, a wrong one never; a removed user is gone; a changed one ends sessions', async () => {
    const hash = await hashPassword('right')
    const users = createUsers([{ name: 'a', role: 'viewer', hash }])
    expect(await users.verify('a', 'wrong')).toBeUndefined()
    expect(users.remembered('a', 'wrong')).toBeUndefined()
    expect(users.remembered('a', 'right')).toBeUndefined()
    expect(await users.verify('a', 'right')).toEqual({ name: 'a', role: 'viewer' })
    expect(users.remembered('a', 'right')).toEqual({ name: 'a', role: 'viewer' })
    expect(await users.verify('b', 'right')).toBeUndefined()
    expect(users.find('b')).toBeUndefined()
    const others = createUsers([{ name: 'a', role: 'operator', hash }])
    const again = createUsers([{ name: 'a', role: 'viewer', hash }])
    expect(users.sessionKey('s').equals(again.sessionKey('s'))).toBe(true)
    expect(users.sessionKey('s').equals(others.sessionKey('s'))).toBe(false)
    expect(users.sessionKey('s').equals(again.sessionKey('t'))).toBe(false)
    // Without a secret what stands in ADMIN_USERS does not make a key.
    expect(users.sessionKey(undefined).equals(again.sessionKey(undefined))).toBe(false)
  })
})

describe('started hooks', () => {
  const event = { promotionId: '42', totalCount: 1, type: 'VOUCHER' } as const

  test('one that throws, one that hangs, one that changes its event: the others hear it as it is', async () => {
    const errors: string[] = []
    const logger = { error: (_fields: unknown, line: string) => errors.push(line) } as unknown as Logger
    const hooks = createPromotionStartedHooks({ logger, timeoutMs: 20 })
    const heard = Promise.withResolvers<unknown>()
    const aborted = Promise.withResolvers<void>()
    hooks.onPromotionStarted('throws', () => {
      throw new Error('no')
    })
    hooks.onPromotionStarted('rejects', async () => Promise.reject(new Error('never')))
    hooks.onPromotionStarted('hangs', (_event, signal) => {
      signal.addEventListener('abort', () => aborted.resolve())
      return new Promise(() => undefined)
    })
    hooks.onPromotionStarted('changes', own => {
      Object.assign(own, { promotionId: '666' })
    })
    hooks.onPromotionStarted('hears', own => heard.resolve(own))
    hooks.notify(event)
    expect(await heard.promise).toEqual(event)
    await aborted.promise
    await new Promise(resolve => setImmediate(resolve))
    expect(errors.sort()).toEqual([
      'started listener hangs: not done within 20 ms',
      'started listener rejects: never',
      'started listener throws: no',
    ])
  })

  test('one that was taken back hears nothing', async () => {
    const hooks = createPromotionStartedHooks({ logger: {} as Logger })
    let heard = 0
    const off = hooks.onPromotionStarted('a', () => {
      heard += 1
    })
    off()
    hooks.notify(event)
    await new Promise(resolve => setImmediate(resolve))
    expect(heard).toBe(0)
  })
})

const gift = (more: Partial<GiftRecord> = {}): GiftRecord => ({
  id: '1',
  type: 'VOUCHER',
  promotionId: '42',
  promotionSummaryId: '7',
  targetId: '9',
  partitionKey: 'k',
  memberId: '1',
  amount: '100',
  processStatus: 'PENDING',
  moneyKey: null,
  attempts: 0,
  errorCode: null,
  errorMessage: null,
  message: '{}',
  enqueued: true,
  kafkaPartition: 3,
  kafkaOffset: '12',
  createdAt: '2026-11-21T10:00:00.000Z',
  updatedAt: '2026-11-21T10:00:01.000Z',
  ...more,
})

describe('a gift’s way', () => {
  const states = (of: GiftRecord, where: Parameters<typeof giftTimeline>[1]) =>
    giftTimeline(of, where).map(({ step, state }) => `${step} ${state}`)

  test('waiting as a row', () => {
    expect(states(gift({ enqueued: false }), { searched: 'all' })).toEqual([
      'kafka done',
      'inserted done',
      'added open',
      'delivered open',
      'attempts open',
      'charge open',
      'acked open',
    ])
  })

  test('leased by a worker: its entry’s id tells when it was added, the group how often it was delivered', () => {
    const entry = { id: '1795255200500-0', consumer: 'c', idleMs: 2000, deliveries: 2 }
    const way = giftTimeline(gift(), { entry, searched: 'part' })
    expect(way[2]).toMatchObject({ state: 'done', at: new Date(1795255200500).toISOString() })
    expect(timelineInWords(way, TEXTS.en)[3]?.text).toBe('delivered 2 times; leased by c, last renewed 2 s ago')
  })

  test('paid: what is not recorded is said', () => {
    const paid = gift({ processStatus: 'SUCCESS', moneyKey: 'tx-1', attempts: 1 })
    expect(states(paid, { searched: 'none' })).toEqual([
      'kafka done',
      'inserted done',
      'added done',
      'delivered not-recorded',
      'attempts done',
      'charge done',
      'acked not-recorded',
    ])
  })

  test('retrying: the job that is to come', () => {
    const job = { state: 'delayed', dueAt: '2026-11-21T10:05:00.000Z', attemptsMade: 1, failedReason: null }
    const row = gift({ processStatus: 'RETRYING', attempts: 2, errorCode: 'HTTP_503' })
    const way = timelineInWords(giftTimeline(row, { searched: 'all', job }), TEXTS.en)
    expect(way[4]?.text).toContain('2 POSTs counted; last error HTTP_503')
    expect(way[4]?.text).toContain('due 2026-11-21T10:05:00.000Z')
  })

  test.each(['SUCCESS', 'FAILED'] as const)('%s: a job that outlives its gift is not told', processStatus => {
    const job = { state: 'failed', dueAt: null, attemptsMade: 8, failedReason: 'x' }
    const row = gift({ processStatus, attempts: 2, moneyKey: 'tx-1' })
    const attempts = giftTimeline(row, { searched: 'none', job })[4]!
    expect([attempts.state, attempts.text(TEXTS.en)]).toEqual(['done', '2 POSTs counted'])
  })
})

describe('pages', () => {
  test('whatever stands in a row is text', () => {
    const evil = `"><img src=x onerror=alert(1)>`
    const row = gift({ message: evil, partitionKey: evil, errorCode: 'E', errorMessage: evil, moneyKey: evil })
    const page = giftPage(
      { gift: row, attempts: [], timeline: giftTimeline(row, { searched: 'none' }) },
      { identity: { name: evil, role: 'operator' }, csrfToken: evil, path: evil, texts: TEXTS.en, stale: [] },
    )
    expect(page).not.toContain('<img')
    expect(page).toContain('&#60;img')
  })

  test('the board’s page loses what the policy refuses, and keeps its own', () => {
    const page = `<link href="https://fonts.example/x.css" rel="stylesheet"><link href="static/a.css" rel="stylesheet">
      <style>a{}</style><div style="color:red">x</div><script src="static/a.js"></script>`
    expect(withoutInline(page).replace(/\s+/g, ' ')).toBe(
      '<link href="static/a.css" rel="stylesheet"> <div>x</div><script src="static/a.js"></script>',
    )
  })
})
