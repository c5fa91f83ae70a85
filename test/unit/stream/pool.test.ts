import { afterEach, describe, expect, test } from '@jest/globals'
import { StreamConnection, StreamPool, StreamQueue } from '#stream/index.ts'
import { createMemoryConnection } from '#stream/memory/memory-connection.ts'
import { MemoryServer } from '#stream/memory/memory-server.ts'
import type { PoolMember, ReadResult } from '#stream/pool-member.ts'

const CONCURRENCY = 8
const READ_COUNT = 4

/** Reads `READ_COUNT` at most at once, as slots are free; each is answered by hand. */
class Member implements PoolMember {
  readonly stream: string
  readonly concurrency = CONCURRENCY
  readonly weight = 1
  readonly ready = 0
  readonly seenId = '0-0'
  readonly reads: { slots: number; settle: (result: ReadResult) => void }[] = []
  used = 0
  mayRead = true
  /** How often it was asked whether it can read. */
  questions = 0

  constructor(stream = 's') {
    this.stream = stream
  }

  get active(): number {
    return this.used
  }

  get free(): number {
    return CONCURRENCY - this.used
  }

  get canRead(): boolean {
    this.questions += 1
    return this.mayRead && this.free > 0
  }

  take(slots: number, mayRead: boolean): Promise<ReadResult> {
    if (!mayRead) return Promise.resolve('none')
    const taken = Math.min(slots, READ_COUNT)
    this.used += taken
    const { promise, resolve } = Promise.withResolvers<ReadResult>()
    this.reads.push({ slots: taken, settle: resolve })
    return promise
  }

  setQueuePaused(): void {}
  async catchUp(): Promise<void> {}
  isDue(): boolean {
    return false
  }
  async maintain(): Promise<void> {}
  reportError(): void {}
}

let pool: StreamPool | undefined
let connection: StreamConnection | undefined

afterEach(async () => {
  await pool?.close()
  await connection?.close()
})

function poolWith(member: Member): StreamPool {
  connection = new StreamConnection({ url: 'redis://127.0.0.1:1' })
  pool = new StreamPool({ connection, maxInFlight: 1000 })
  pool.add(member)
  return pool
}

const turns = async () => {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => void setImmediate(resolve))
}

describe('reads of one stream', () => {
  test('a second one goes out while the first is under way, once the stream is known to hold more', async () => {
    const member = new Member()
    poolWith(member)
    await turns()
    pool?.wake(member)
    await turns()
    // Nothing is known of the stream yet.
    expect(member.reads.map(({ slots }) => slots)).toEqual([4])
    member.reads[0]?.settle('full')
    await turns()
    expect(member.used).toBe(8)
    member.used -= 4
    pool?.wake(member)
    await turns()
    expect(member.reads).toHaveLength(3)
    // Two are under way: a third has to wait, though slots are free.
    member.used -= 4
    pool?.wake(member)
    await turns()
    expect(member.reads).toHaveLength(3)
  })

  test('not where less than half of the slots are free, nor after a read that emptied the stream', async () => {
    const member = new Member()
    poolWith(member)
    await turns()
    member.reads[0]?.settle('full')
    await turns()
    expect(member.reads).toHaveLength(2)
    member.used -= 3
    pool?.wake(member)
    await turns()
    expect(member.reads).toHaveLength(2)
    member.reads[1]?.settle('some')
    await turns()
    member.used = 0
    pool?.wake(member, true)
    await turns()
    expect(member.reads).toHaveLength(3)
  })
})

test('a stream whose reads fail is read less and less often, once a second at least', async () => {
  const member = new Member()
  poolWith(member)
  const until = performance.now() + 700
  let settled = 0
  while (performance.now() < until) {
    await new Promise(resolve => setTimeout(resolve, 1))
    for (; settled < member.reads.length; settled++) {
      member.used = 0
      member.reads[settled]?.settle('failed')
    }
  }

  expect(settled).toBeGreaterThan(2)
  expect(settled).toBeLessThan(15)
})

describe('a pool whose last worker has left', () => {
  test('polls for the next one', async () => {
    const [first, next] = [new Member(), new Member()]
    const shared = poolWith(first)
    await turns()
    first.reads[0]?.settle('empty')
    await turns()
    // Its next look is due by now; it leaves before that, or, on a busy machine, while it looks.
    shared.remove(first)
    first.reads[1]?.settle('empty')
    const looks = first.reads.length
    shared.add(next)
    await turns()
    next.used = 0
    next.reads[0]?.settle('empty')
    const second = async () => {
      while (next.reads.length < 2) await new Promise(resolve => setTimeout(resolve, 5))
    }
    await second()
    expect(first.reads).toHaveLength(looks)
  }, 5000)
})

describe('idle streams', () => {
  const members = Array.from({ length: 50 }, (_, index) => new Member(`idle-${index}`))
  const questions = () => members.reduce((sum, member) => sum + member.questions, 0)
  const sleep = (ms: number) => new Promise(resolve => void setTimeout(resolve, ms))
  const idle = async () => {
    const server = new MemoryServer({ clock: Date.now })
    connection = createMemoryConnection(server)
    await connection.ready()
    pool = new StreamPool({ connection, maxInFlight: 1000, pollIntervalMs: 20 })
    for (const member of members) {
      Object.assign(member, { reads: [], used: 0, questions: 0, mayRead: true })
      pool.add(member)
    }
    await turns()
    for (const member of members) {
      member.used = 0
      member.reads[0]?.settle('empty')
    }
    await sleep(300)
    return connection
  }

  test('are looked at without asking each worker whether it can read', async () => {
    await idle()
    const before = questions()
    await sleep(500)
    // Some twenty looks at fifty streams; the rounds of upkeep ask until one says that it can.
    expect(questions() - before).toBeLessThan(50)
  })

  test('one that could not read when it had something is read once it can, though nobody says so', async () => {
    const connection = await idle()
    const member = members[7] as Member
    member.mayRead = false
    await new StreamQueue('idle-7', { connection }).add({ n: '1' })
    await sleep(100)
    expect(member.reads).toHaveLength(1)
    member.mayRead = true
    while (member.reads.length < 2) await sleep(5)
    expect(member.reads).toHaveLength(2)
  })
})
