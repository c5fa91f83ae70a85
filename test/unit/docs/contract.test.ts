import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import type { z } from 'zod'
import { concurrencyBody, newPromotion } from '#admin/api-schemas.ts'
import { adminSchema, cliSchema, listenerSchema, SETTING_NAMES, workerSchema } from '#config/schemas.ts'
import { retryBatchHandler } from '#listeners/retry-listener.ts'
import { classifyLookup, classifyPost, type HttpAnswer } from '#money/charge.ts'
import { createMoneyCampaignChargeApi } from '#money/charge-api.ts'
import { parseMessage } from '#promotion/intake/gift-message.ts'
import { InvalidMessageReporter } from '#promotion/intake/invalid-messages.ts'
import { publishRetryMessage } from '#promotion/payment/retry-message.ts'
import { GIFT_TYPES, PROMOTION_TYPES } from '#queues/gift-types.ts'
import { promotionStartedMessage } from '#queues/started.message.ts'
import { parseExact } from '#runtime/exact-json.ts'
import { codeIn, DocPage } from '#test/support/doc-page.ts'

const contract = new DocPage('docs/contract.md')

describe('docs/contract.md: environment', () => {
  const rows = contract.table('| variable | default | meaning |').map(([name, value]) => [codeIn(name!)[0]!, value!])
  const fields: Record<string, z.ZodType> = {}
  for (const schema of [cliSchema, adminSchema, workerSchema, listenerSchema]) Object.assign(fields, schema.shape)

  test('names every variable that a process reads, once, and no other', () => {
    expect(rows.map(([name]) => name).sort()).toEqual([...SETTING_NAMES].sort())
  })

  test.each(rows)('%s: %s', (name, value) => {
    const { def } = fields[name!]!._zod as unknown as { def: { type: string; defaultValue?: unknown } }
    // Two that follow from others are explained instead.
    const written = codeIn(value!).length > 0 || /^of the process$|^–$/.test(value!) ? undefined : value
    expect(def.type === 'prefault' && def.defaultValue !== '' ? def.defaultValue : undefined).toBe(written)
  })
})

describe('docs/contract.md: examples', () => {
  const read = (schema: z.ZodType, name: string) => {
    const parsed = parseMessage(schema, contract.example(name))
    if (!parsed.ok) throw new Error(parsed.reason)
    return parsed.message
  }
  const keysOf = (json: string) => Object.keys(JSON.parse(json) as object)

  test('are all lease to something', () => {
    const lease = 'voucher point started voucher-retry invalid completed charge charged new-promotion concurrency'
    expect(contract.exampleNames).toEqual(lease.split(' '))
  })

  test('gifts, their ids exact', () => {
    expect(read(GIFT_TYPES.VOUCHER.message, 'voucher')).toMatchObject({
      promotionId: '42',
      voucherTargetId: '9007199254740993',
    })
    expect(read(GIFT_TYPES.POINT.message, 'point')).toMatchObject({
      promotionId: '43',
      pointTargetId: '9223372036854775807',
    })
  })

  test('started', () => {
    expect(read(promotionStartedMessage, 'started')).toEqual({ promotionId: '42', totalCount: 1e6, type: 'VOUCHER' })
  })

  test('retry: as it is written, and as it is read', async () => {
    const example = contract.example('voucher-retry')
    const { attempt, lastError, notBefore, ...original } = JSON.parse(example) as Record<string, string>
    const written: string[] = []
    await publishRetryMessage(
      { publish: async ({ value }) => void written.push(value) },
      {
        topic: 't',
        json: JSON.stringify(original),
        ids: { partitionKey: 'm-1' },
        attempt: 1,
        lastError: 'x',
        retryAfterMs: 5,
      },
    )
    expect(keysOf(written[0]!)).toEqual(keysOf(example))
    const jobs: unknown[] = []
    const handle = retryBatchHandler('VOUCHER', {
      retryJobs: { add: async added => void jobs.push(...added) },
      invalidMessages: undefined as never,
      retryer: work => work(),
      logger: undefined as never,
    })
    const message = { topic: 't', partition: 0, offset: '0', key: null, value: Buffer.from(example) }
    await handle([message], new AbortController().signal)
    expect(jobs).toEqual([
      {
        data: { type: 'VOUCHER', promotionId: '42', targetId: original.voucherTargetId, notBefore },
        attempts: attempt,
      },
    ])
    expect(lastError).toMatch(/^HTTP_503/)
  })

  test('invalid, as it is written', async () => {
    const written: string[] = []
    const publish = async ({ value }: { value: string }) => void written.push(value)
    const example = JSON.parse(contract.example('invalid')) as Record<string, string>
    const { topic, offset, reason, valueBase64 } = example
    const value = Buffer.from(valueBase64!, 'base64')
    await new InvalidMessageReporter({ publish } as never, 'invalid').report(
      { topic: topic!, partition: 0, offset: offset!, value },
      reason!,
    )
    expect(JSON.parse(written[0]!)).toEqual(example)
  })

  test('the charge that is sent, and its answer', async () => {
    const sent: { path: string; key?: string; body?: string }[] = []
    const api = createMoneyCampaignChargeApi({
      gate: {
        isTroubled: false,
        isClearSince: () => true,
        reportOutage: async () => undefined,
        exchange: async (_gift, { path, headers, body }) => {
          sent.push({ path, key: headers?.['idempotency-key'], body } as (typeof sent)[number])
          const answer = { status: 200, body: contract.example('charged'), retryAfter: undefined, seconds: 0 }
          return { kind: 'reply', ...answer }
        },
      },
    })
    const request = JSON.parse(contract.example('charge'))
    expect(await api.charge(request)).toEqual({ kind: 'charged', transactionKey: 'tx-7', posts: 1 })
    expect(JSON.parse(sent[0]!.body!)).toEqual(request)
    const section = contract.section('Money API')
    expect(section).toContain(`POST {MONEY_API_URL}${sent[0]!.path}\``)
    expect(sent[0]!.key).toBe(`VOUCHER:${request.targetId}`)
    await api.lookup(request)
    expect(section).toContain(`GET {MONEY_API_URL}${sent[1]!.path.replace(sent[0]!.key!, '{Idempotency-Key}')}\``)
  })

  test.each([
    ['new-promotion', newPromotion],
    ['concurrency', concurrencyBody],
  ])('%s, to the API', (name, schema) => {
    const parsed = schema.parse(parseExact(contract.example(name)))
    expect(Object.keys(parsed)).toEqual(keysOf(contract.example(name)))
  })
})

describe('docs/contract.md: Money API', () => {
  const KEY = contract.example('charged')
  const reply = (status: number): HttpAnswer => ({ kind: 'reply', status, body: KEY, retryAfter: undefined })
  const statuses = (cell: string) => [...cell.matchAll(/\d{3}/g)].map(([status]) => Number(status))
  const rows = (header: string) =>
    contract
      .table(header)
      .flatMap(([cell, meaning]) => statuses(cell!).map(status => [status, codeIn(meaning!)[0]!] as const))

  test.each(rows('| status | meaning | then |'))('%d to the POST is %s', (status, meaning) => {
    expect(classifyPost(reply(status), 0).kind).toBe(meaning)
  })
  test.each(rows('| status | meaning |'))('%d to the GET is %s', (status, meaning) => {
    expect(classifyLookup(reply(status), 0).kind).toBe(meaning)
  })

  test('no status that the tables do not name means more than «not known»', () => {
    const named = rows('| status | meaning | then |').map(([status]) => status)
    for (let status = 200; status < 600; status++)
      if (!named.includes(status)) expect([status, classifyPost(reply(status), 0).kind]).toEqual([status, 'unsettled'])
  })
})

describe('docs/contract.md: Redis', () => {
  const redis = contract.section('Redis')

  test.each(PROMOTION_TYPES)('names the stream and the group of %s', type => {
    const stream = GIFT_TYPES[type]
    expect(redis).toContain(`\`${stream.streamKey('42')}\``)
    expect(redis).toContain(`\`${stream.groupName('42')}\``)
  })

  test('names every key of ours', () => {
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts'))
    const keys = files.flatMap(name =>
      [...readFileSync(`src/${name}`, 'utf8').matchAll(/['`}](promostream:[a-z:-]+)/g)].map(([, key]) => key!),
    )
    expect(keys.length).toBeGreaterThan(6)
    for (const key of keys) expect(redis).toContain(`\`${key}`)
  })
})
