import { describe, expect, test } from '@jest/globals'
import { deadLetter, type StoredDeadLetter, StreamQueue, type StreamWorkerOptions } from '#stream/index.ts'
import { until } from '../../support/redis.ts'
import {
  connection,
  GROUP,
  type Job,
  jobs,
  name,
  queueOf,
  redis,
  testOnServers,
  work,
} from '../../support/stream-harness.ts'

const letters = () => `${name}:dead-letter`

async function listed(queue: StreamQueue<Job>): Promise<StoredDeadLetter<Job>[]> {
  const found: StoredDeadLetter<Job>[] = []
  for await (const letter of queue.deadLetters().list()) found.push(letter)
  return found
}

/** Makes dead letters of what is on the stream. */
async function giveUp(count: number, options: Partial<StreamWorkerOptions<Job>> = {}): Promise<void> {
  const worker = work(({ data }) => deadLetter(`no use: ${data.n}`), options)
  await until('all are dead letters', async () => (await queueOf().getJobCounts()).failed >= count)
  await until('the stream is empty', async () => (await queueOf().length()) === 0)
  await worker.close()
}

describe('dead letters', () => {
  test('are listed, paged and got by their own id, with what the entry was and why it was given up', async () => {
    const queue = queueOf()
    const added = await queue.addBulk(jobs(5))
    await giveUp(5)
    const all = await listed(queue)
    expect(
      all.map(({ data, entryId, reason, deliveries, stream }) => [data, entryId, reason, deliveries, stream]),
    ).toEqual(added.map(({ id, data }) => [data, id, `no use: ${data.n}`, 1, name]))
    expect(await queue.deadLetters().count()).toBe(5)
    const first = await queue.deadLetters().page({ limit: 2 })
    const second = await queue.deadLetters().page({ limit: 4, after: first.next as string })
    expect([first.items.map(({ id }) => id), second.items.map(({ id }) => id), second.next]).toEqual([
      all.slice(0, 2).map(({ id }) => id),
      all.slice(2).map(({ id }) => id),
      undefined,
    ])
    const third = all[2] as StoredDeadLetter<Job>
    expect(await queue.deadLetters().get(third.id)).toEqual(third)
    expect(await queue.deadLetters().get('1-1')).toBeUndefined()
    const filtered = await queue.deadLetters().page({ reason: /: [13]$/, where: ({ data }) => data?.n !== '1' })
    expect(filtered.items.map(({ data }) => data)).toEqual([{ n: '3' }])
    await expect(queue.deadLetters().page({ limit: 0 })).rejects.toThrow('limit must be a whole number')
  })

  test('go back by id or filter, are gone then, and are handled again', async () => {
    const queue = queueOf()
    await queue.addBulk(jobs(5))
    await giveUp(5)
    const [one, ...others] = await listed(queue)
    const { id } = one as StoredDeadLetter<Job>
    const result = await queue.replay(id)
    expect(result).toEqual({ replayed: [{ id, entryId: expect.any(String) }], missing: [], uncertain: [] })
    expect(await queue.get([result.replayed[0]?.entryId as string])).toMatchObject([{ data: { n: '0' } }])
    expect(await queue.replay([id, '1-1'])).toEqual({ replayed: [], missing: [id, '1-1'], uncertain: [] })
    expect(await queue.length()).toBe(1)
    expect((await queue.replay({ reason: 'no use: 4' })).replayed.map(each => each.id)).toEqual([others[3]?.id])
    expect(await queue.discard({ where: ({ data }) => data?.n === '1' })).toEqual({ discarded: 1, missing: [] })
    expect(await queue.discard([id])).toEqual({ discarded: 0, missing: [id] })
    expect((await queue.replay({})).replayed).toHaveLength(2)
    expect(await listed(queue)).toEqual([])
    const seen: string[] = []
    work(({ data }) => void seen.push(data.n))
    await until('they are handled', () => seen.length === 4)
    expect(seen.sort()).toEqual(['0', '2', '3', '4'])
  })

  testOnServers('go back byte by byte: what is no text, and a name that comes twice', async () => {
    const queue = queueOf()
    const bytes = [
      Buffer.from('n'),
      Buffer.from([0xff, 0x00, 0xfe]),
      Buffer.from([0x80]),
      Buffer.from('x'),
      'n',
      'again',
    ]
    await redis.probe.xadd(name, '*', ...bytes)
    await giveUp(1)
    const before = (await redis.probe.xrangeBuffer(letters(), '-', '+')) as [Buffer, Buffer[]][]
    expect(before[0]?.[1].slice(0, 6).map(each => each.toString('hex'))).toEqual(
      bytes.map(each => Buffer.from(each).toString('hex')),
    )
    await queue.replay({})
    const after = (await redis.probe.xrangeBuffer(name, '-', '+')) as [Buffer, Buffer[]][]
    expect(after.map(([, flat]) => flat.map(each => each.toString('hex')))).toEqual([
      bytes.map(each => Buffer.from(each).toString('hex')),
    ])
  })

  test('are of the entry as it was added, whatever the handler made of its copy', async () => {
    await queueOf().add({ n: '1' })
    const worker = work(({ data }) => {
      data.n = 'changed'
      return deadLetter('why')
    })
    await until('a dead letter', async () => (await redis.probe.xlen(letters())) === 1)
    await worker.close()
    expect((await listed(queueOf()))[0]?.data).toEqual({ n: '1' })
  })

  test('of two who replay at once each entry is added once', async () => {
    const queue = queueOf()
    await queue.addBulk(jobs(250))
    await giveUp(250)
    const results = await Promise.all([queue.replay({}), queueOf().replay({}), queue.replay({})])
    expect(results.flatMap(({ replayed }) => replayed)).toHaveLength(250)
    expect([await queue.length(), await redis.probe.xlen(letters())]).toEqual([250, 0])
  })

  test('a replay that the server refuses loses none and says what was added', async () => {
    const queue = queueOf()
    await queue.addBulk(jobs(3))
    await giveUp(3)
    await redis.probe.del(name)
    await redis.probe.set(name, 'no stream')
    await expect(queue.replay({})).rejects.toMatchObject({ code: 'STREAM_ADD_FAILED', added: [], canRetry: true })
    expect(await redis.probe.xlen(letters())).toBe(3)
    await redis.probe.del(name)
  })

  test('too wide for a script: in steps, and what ended halfway is told, not added again', async () => {
    const queue = queueOf()
    const wide = Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`f${index}`, String(index)]))
    await queue.addBulk([wide, { ...wide, f0: 'x' }] as unknown as Job[])
    await giveUp(2)
    const [first, second] = (await listed(queue)) as [StoredDeadLetter<Job>, StoredDeadLetter<Job>]
    // A process that died between «added» and «removed» leaves this.
    await redis.probe.set(`${letters()}:replay:${first.id}`, '1')
    const result = await queue.replay({})
    expect(result).toMatchObject({ replayed: [{ id: second.id }], missing: [], uncertain: [first.id] })
    expect((await listed(queue)).map(({ id }) => id)).toEqual([first.id])
    expect(await redis.probe.exists(`${letters()}:replay:${second.id}`)).toBe(0)
    expect((await queue.replay(first.id, { again: true })).replayed).toHaveLength(1)
    expect((await queue.page()).items.map(({ data }) => (data as unknown as typeof wide).f0)).toEqual(['x', '0'])
    expect(await redis.probe.xlen(letters())).toBe(0)
    for (const { id } of [first, second]) expect(await redis.probe.exists(`${letters()}:replay:${id}`)).toBe(0)
  })

  test('of another queue on the same stream of letters are neither shown nor touched', async () => {
    const deadLetterStream = `${name}:letters`
    const of = (stream: string) =>
      new StreamQueue<Job>(stream, { connection, group: GROUP, codec: 'flat', deadLetterStream })
    const [mine, other] = [of(name), of(`${name}:other`)]
    await Promise.all([mine.add({ n: 'mine' }), other.add({ n: 'other' })])
    for (const stream of [name, `${name}:other`]) work(() => deadLetter('why'), { deadLetterStream }, stream)
    await until('both', async () => (await redis.probe.xlen(deadLetterStream)) === 2)
    expect((await listed(mine)).map(({ data }) => data)).toEqual([{ n: 'mine' }])
    expect((await mine.replay({})).replayed).toHaveLength(1)
    expect((await mine.discard({})).discarded).toBe(0)
    expect((await listed(other)).map(({ data }) => data)).toEqual([{ n: 'other' }])
  })

  test('wait for room below the high-water mark', async () => {
    await queueOf().addBulk(jobs(6))
    await giveUp(6)
    const highWaterMark = { length: 4, onFull: 'refuse' } as const
    const narrow = new StreamQueue<Job>(name, { connection, group: GROUP, codec: 'flat', highWaterMark })
    await expect(narrow.replay({})).rejects.toMatchObject({
      code: 'STREAM_FULL',
      isUncertain: false,
      added: [expect.any(String), expect.any(String), expect.any(String), expect.any(String)],
    })
    expect([await narrow.length(), await redis.probe.xlen(letters())]).toEqual([4, 2])
  })

  test('are bounded in number and age', async () => {
    const queue = queueOf()
    await queue.addBulk(jobs(7))
    await giveUp(3, { removeOnFail: 3, concurrency: 1 })
    expect((await listed(queue)).map(({ data }) => data?.n)).toEqual(['4', '5', '6'])
    // One of long ago: the next letter drops it, and the whole stream has an end.
    await redis.probe.del(letters())
    await redis.probe.xadd(
      letters(),
      '1000-0',
      'n',
      'old',
      '_id',
      '1-1',
      '_stream',
      name,
      '_reason',
      'x',
      '_deliveries',
      '1',
    )
    await queue.add({ n: 'new' })
    await giveUp(1, { removeOnFail: { age: 3600 } })
    expect((await listed(queue)).map(({ data }) => data?.n)).toEqual(['new'])
    expect(await redis.probe.pttl(letters())).toBeGreaterThan(3_500_000)
  })

  test('a bound that would throw them away unseen is refused', () => {
    expect(() => work(() => undefined, { removeOnFail: true as never })).toThrow('removeOnFail must not be true')
    expect(() => work(() => undefined, { removeOnFail: { count: 0 } })).toThrow('removeOnFail.count')
  })

  test('carry the last error', async () => {
    const queue = queueOf()
    await queue.add({ n: 'boom' })
    work(
      ({ data }) => {
        throw new Error(data.n)
      },
      { attempts: 2, backoff: 1 },
    )
    await until('a dead letter', async () => (await redis.probe.xlen(letters())) === 1)
    expect(await listed(queue)).toMatchObject([{ reason: 'failed 2 times, the last with: boom', deliveries: 2 }])
  })

  test('of an entry that nobody can decode say why, and go back all the same', async () => {
    const queue = new StreamQueue<{ to: string }>(name, { connection, group: GROUP })
    await redis.probe.xadd(name, '*', 'data', '{"to":')
    work(() => undefined, { codec: 'json' })
    await until('a dead letter', async () => (await redis.probe.xlen(letters())) === 1)
    const { items } = await queue.deadLetters().page()
    expect(items).toMatchObject([{ data: undefined, undecodable: expect.stringContaining('JSON') }])
    await queue.replay({})
    await until('it is one again', async () => (await redis.probe.xlen(letters())) === 1)
  })
})
