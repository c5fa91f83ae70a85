import { describe, expect, test } from '@jest/globals'
import { createTestQueue } from '#stream/index.ts'
import {
  assertFilter,
  assertNothingElse,
  type DeadLetterFilter,
  fits,
  type StoredDeadLetter,
} from '#stream/stored-letters.ts'

const LETTER = { id: '2-0', name: 'mail', reason: 'poison: no such user', timestamp: 1000 } as StoredDeadLetter

describe('which dead letters are meant', () => {
  test.each<[filter: DeadLetterFilter, isMeant: boolean]>([
    [{}, true],
    [{ reason: 'no such' }, true],
    [{ reason: 'No such' }, false],
    [{ reason: /^poison/ }, true],
    [{ reason: /^no/ }, false],
    [{ name: 'mail' }, true],
    [{ name: 'text' }, false],
    [{ before: 1001 }, true],
    [{ before: 1000 }, false],
    [{ where: ({ id }) => id === '2-0' }, true],
    [{ where: () => false }, false],
    [{ reason: 'poison', name: 'mail', before: 1001, where: () => true }, true],
    [{ reason: 'poison', name: 'mail', before: 999, where: () => true }, false],
  ])('%p: %p', (filter, isMeant) => {
    expect(fits(LETTER, filter)).toBe(isMeant)
  })

  test('a sticky or global expression begins anew with each letter', () => {
    const reason = /poison/g
    expect([fits(LETTER, { reason }), fits(LETTER, { reason })]).toEqual([true, true])
  })

  test.each([
    [{ before: Number.NaN }, 'before'],
    [{ before: Number.POSITIVE_INFINITY }, 'before'],
    [{ before: '2026' }, 'before'],
    [{ name: '' }, 'name'],
    [{ reason: 7 }, 'reason'],
    [{ where: true }, 'where'],
    [null, 'the filter of dead letters'],
  ])('%p is refused by name', (filter, name) => {
    expect(() => assertFilter(filter as DeadLetterFilter)).toThrow(new RegExp(`^${name} must `))
  })

  test('what says nothing would mean all of them, and is refused', () => {
    expect(() => assertNothingElse({ before: undefined })).toThrow('whose before is undefined says nothing')
    expect(() => assertNothingElse({ olderThan: 7 })).toThrow('not olderThan')
    expect(() => assertNothingElse({ reason: 'x', name: undefined })).not.toThrow()
    expect(() => assertNothingElse({})).not.toThrow()
  })
})

/** A test queue with this many dead letters, from `m0` on. */
async function queueWith(count: number) {
  const mails = createTestQueue<{ to: string }>({ deadLetterStream: 'letters' })
  mails.worker(
    () => {
      throw Object.assign(new Error('no'), { name: 'UnrecoverableError' })
    },
    { concurrency: 100 },
  )
  await mails.queue.addBulk(Array.from({ length: count }, (_, at) => ({ to: `m${at}` })))
  for (let tries = 0; (await mails.queue.length()) > 0 && tries < 100; tries++) await mails.clock.advance(250)
  return mails
}

test('more letters than a page holds are all found, each once', async () => {
  await using mails = await queueWith(1100)
  const seen: string[] = []
  for await (const { data } of mails.queue.deadLetters().list()) seen.push(data!.to)
  expect([seen.length, new Set(seen).size]).toEqual([1100, 1100])
}, 60_000)

test('a list, as a page, holds only what its filter means', async () => {
  await using mails = await queueWith(5)
  const filter = { where: ({ data }: StoredDeadLetter<{ to: string }>) => data?.to === 'm3' }
  const listed: string[] = []
  for await (const { data } of mails.queue.deadLetters().list(filter)) listed.push(data!.to)

  expect(listed).toEqual(['m3'])
  expect((await mails.queue.deadLetters().page(filter)).items.map(({ data }) => data!.to)).toEqual(['m3'])
})

test('a page begins behind the letter that it is told, and says whether there are more', async () => {
  await using mails = await queueWith(5)
  const first = await mails.queue.deadLetters().page({ limit: 3 })
  const rest = await mails.queue.deadLetters().page({ limit: 3, after: first.next! })
  expect([first.items, rest.items].map(items => items.map(({ data }) => data?.to))).toEqual([
    ['m0', 'm1', 'm2'],
    ['m3', 'm4'],
  ])
  expect(rest.next).toBeUndefined()
})

test('a page behind what is no id, or of a size that is none, is refused', async () => {
  await using mails = createTestQueue()
  await expect(mails.queue.deadLetters().page({ after: 'the third' })).rejects.toThrow(/after/)
  await expect(mails.queue.deadLetters().page({ limit: 0 })).rejects.toThrow(/limit/)
})
