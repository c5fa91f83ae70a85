import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ReplyError } from 'ioredis'
import { ConsumerGroup, ensureGroup } from '#stream/group.ts'
import { type MemoryRig, memoryRig } from '#test/support/memory-rig.ts'

const OOM = new ReplyError("OOM command not allowed when used memory > 'maxmemory'.")

let rig: MemoryRig
let group: ConsumerGroup
beforeEach(async () => {
  rig = await memoryRig()
  group = new ConsumerGroup(rig.connection, { stream: 's', group: 'g', consumer: 'me' })
})
afterEach(() => rig.connection.close())

/** Entries `1-0`, `2-0` and so on, handed to one of the group. */
async function given(count: number, consumer = 'me'): Promise<string[]> {
  await group.ensure()
  const ids = Array.from({ length: count }, (_, index) => `${index + 1}-0`)
  for (const id of ids) rig.ask('XADD', 's', id, 'n', id)
  rig.ask('XREADGROUP', 'GROUP', 'g', consumer, 'STREAMS', 's', '>')
  rig.sent.length = 0
  return ids
}

const settled = (ids: string[]) => ({ ids, stretches: [], inside: 0 })
const pending = () => (rig.ask('XPENDING', 's', 'g', '-', '+', 1000) as [string][]).map(([id]) => id)
const left = () => (rig.ask('XRANGE', 's', '-', '+') as [string][]).map(([id]) => id)
const names = () => rig.sent.map(([name]) => name)

describe('a group is made', () => {
  test('with its stream, and delivers what was added before', async () => {
    rig.ask('XADD', 's', '1-0', 'n', '1')
    await ensureGroup(rig.connection, 's', 'g')
    expect(await group.read(10)).toEqual([['1-0', ['n', '1']]])
    expect(await group.read(10)).toEqual([])
  })

  test('once: one that is there is fine', async () => {
    await group.ensure()
    await expect(group.ensure()).resolves.toBeUndefined()
    expect(await group.countGroups()).toBe(1)
  })

  test('not by a server that has no room for it, but one that is there is fine', async () => {
    rig.fateOf = ([name]) => (name === 'xgroup' ? OOM : undefined)
    await expect(group.ensure()).rejects.toBe(OOM)
    rig.ask('XGROUP', 'CREATE', 's', 'other', '0', 'MKSTREAM')
    await expect(group.ensure()).rejects.toBe(OOM)
    rig.ask('XGROUP', 'CREATE', 's', 'g', '0')
    await expect(group.ensure()).resolves.toBeUndefined()
  })

  test('not where the server says anything else', async () => {
    await group.ensure()
    const error = new Error('Command timed out')
    rig.fateOf = ([name]) => (name === 'xgroup' ? error : undefined)
    await expect(group.ensure()).rejects.toBe(error)
  })
})

describe('the last id that was given', () => {
  test('is this group’s', async () => {
    await given(2)
    rig.ask('XGROUP', 'CREATE', 's', 'a', '1-0')
    expect(await group.lastDeliveredId()).toBe('2-0')
  })

  test('is none without a group, and without a stream nobody knows', async () => {
    await expect(group.lastDeliveredId()).rejects.toThrow('no such key')
    rig.ask('XGROUP', 'CREATE', 's', 'other', '0', 'MKSTREAM')
    expect(await group.lastDeliveredId()).toBeUndefined()
  })
})

describe('what is pending', () => {
  test('of one’s own is told behind an id, with how often it was delivered', async () => {
    await given(3)
    rig.ask('XCLAIM', 's', 'g', 'other', 0, '2-0', 'JUSTID')
    rig.ask('XCLAIM', 's', 'g', 'me', 0, '3-0', 'RETRYCOUNT', 4, 'JUSTID')
    expect(await group.ownPending('', 10)).toEqual([
      { id: '1-0', deliveries: 1 },
      { id: '3-0', deliveries: 4 },
    ])
    expect(await group.ownPending('', 1)).toEqual([{ id: '1-0', deliveries: 1 }])
    expect(await group.ownPending('1-0', 10)).toEqual([{ id: '3-0', deliveries: 4 }])
  })

  test('is stale from the idle time on that is asked for', async () => {
    await given(1)
    rig.ask('XCLAIM', 's', 'g', 'other', 0, '1-0', 'IDLE', 60_000, 'JUSTID')
    expect([await group.hasStale(60_000), await group.hasStale(120_000)]).toEqual([true, false])
  })

  test('has a body, or none where it was deleted', async () => {
    await given(2)
    rig.ask('XDEL', 's', '1-0')
    expect(await group.bodies(['1-0', '2-0'])).toEqual([
      ['1-0', null],
      ['2-0', ['n', '2-0']],
    ])
  })

  test('whose body cannot be read rejects with why', async () => {
    await given(2)
    const error = new Error('Command timed out')
    rig.fateOf = ([, , id]) => (id === '2-0' ? error : undefined)
    await expect(group.bodies(['1-0', '2-0'])).rejects.toBe(error)
  })
})

describe('a claim', () => {
  test('takes what is idle, with its fields and deliveries, and goes on from its cursor', async () => {
    await given(3, 'dead')
    for (const id of ['1-0', '3-0'])
      rig.ask('XCLAIM', 's', 'g', 'dead', 0, id, 'IDLE', 60_000, 'RETRYCOUNT', 3, 'JUSTID')
    const first = await group.claim(60_000, '0-0', 1)
    expect(first.entries).toEqual([{ id: '1-0', fields: ['n', '1-0'], deliveries: 3 }])
    const second = await group.claim(60_000, first.cursor, 5)
    expect(second).toEqual({ cursor: '0-0', entries: [{ id: '3-0', fields: ['n', '3-0'], deliveries: 3 }] })
  })

  test('of nothing looks at nothing', async () => {
    await given(1)
    expect(await group.claim(60_000, '0-0', 5)).toEqual({ cursor: '0-0', entries: [] })
    expect(names()).toEqual(['xautoclaim'])
  })

  test('tells what was deleted, by the server or since, as entries without fields', async () => {
    await given(2, 'dead')
    rig.ask('XDEL', 's', '1-0')
    rig.fateOf = ([name]) => {
      if (name === 'xpending') {
        rig.ask('XACK', 's', 'g', '2-0')
        rig.ask('XDEL', 's', '2-0')
      }
      return undefined
    }
    expect((await group.claim(0, '0-0', 5)).entries).toEqual([
      { id: '2-0', fields: null, deliveries: 0 },
      { id: '1-0', fields: null, deliveries: 0 },
    ])
  })
})

describe('of more than five hundred', () => {
  test('each is renewed, with the count that it shall have', async () => {
    const ids = await given(501)
    rig.ask('XCLAIM', 's', 'g', 'other', 0, '3-0', 'JUSTID')
    const steps = ['next', 'over', undefined] as const
    const owned = await group.renew(ids.map((id, index) => ({ id, count: 5, step: steps[index % 3] })))
    expect([owned.size, owned.get('1-0'), owned.get('2-0'), owned.has('3-0'), owned.get('501-0')]).toEqual([
      500,
      2,
      0,
      false,
      5,
    ])
    expect(rig.sent.map(({ length }) => length)).toEqual([5 + 1000, 5 + 2])
    expect(await group.renew([{ id: '1-0' }])).toEqual(new Map([['1-0', 2]]))
  })

  test('each is forgiven one delivery', async () => {
    const ids = await given(501)
    await group.forgive(ids)
    const counts = (rig.ask('XPENDING', 's', 'g', '-', '+', 1000) as number[][]).map(row => row[3])
    expect([counts.length, new Set(counts)]).toEqual([501, new Set([0])])
    expect(rig.sent.map(({ length }) => length)).toEqual([3 + 500, 3 + 1])
  })

  test('not more: one command', async () => {
    await group.forgive(await given(500))
    expect(rig.sent).toHaveLength(1)
  })
})

describe.each([true, false])('acknowledging, to a server that has XACKDEL or not (%p)', hasAckDel => {
  beforeEach(async () => {
    await rig.connection.close()
    rig = await memoryRig({ hasAckDel })
    group = new ConsumerGroup(rig.connection, { stream: 's', group: 'g', consumer: 'me' })
  })

  test('deletes', async () => {
    const ids = await given(3)
    expect(await group.acknowledge(settled(ids.slice(0, 2)))).toEqual({ hasOtherGroup: false })
    expect([pending(), left(), names()]).toEqual([['3-0'], ['3-0'], [hasAckDel ? 'XACKDEL' : 'streamAckDelete']])
  })

  test('keeps what another group may still need, and says so', async () => {
    const ids = await given(2)
    rig.ask('XGROUP', 'CREATE', 's', 'other', '0')
    expect(await group.acknowledge(settled(ids))).toEqual({ hasOtherGroup: true })
    expect([pending(), left()]).toEqual([[], ids])
  })

  test('deletes also what a group that was made again does not know as given', async () => {
    const ids = await given(3)
    rig.ask('XACK', 's', 'g', '2-0')
    expect(await group.acknowledge(settled(ids))).toEqual({ hasOtherGroup: false })
    expect(left()).toEqual([])
    if (hasAckDel) expect(rig.sent.at(-1)).toEqual(['streamAckDelete', 's', 'g', '0', '0', '2-0'])
  })

  test('says of a group beside it also where its own was made again', async () => {
    const ids = await given(2)
    for (const id of ids) rig.ask('XACK', 's', 'g', id)
    rig.ask('XGROUP', 'CREATE', 's', 'other', '$')
    expect(await group.acknowledge(settled(ids))).toEqual({ hasOtherGroup: true })
  })
})

test('a stretch that was read as a whole goes to the script by its ends', async () => {
  await using older = await memoryRig({ hasAckDel: false })
  const own = new ConsumerGroup(older.connection, { stream: 's', group: 'g', consumer: 'me' })
  await own.ensure()
  await own.acknowledge({ ids: ['1-0', '2-0', '3-0'], stretches: [{ from: '1-0', to: '2-0' }], inside: 2 })
  expect(older.sent.at(-1)).toEqual(['streamAckDelete', 's', 'g', '2', '2', '1-0', '2-0', '1-0', '2-0', '3-0'])
})

describe('a consumer', () => {
  test('settles an entry only while it is its own', async () => {
    await given(2)
    rig.ask('XCLAIM', 's', 'g', 'other', 0, '2-0', 'JUSTID')
    expect([await group.ackOwned('1-0'), await group.ackOwned('2-0'), left()]).toEqual([true, false, ['2-0']])
  })

  test('leaves unless something is pending on it, and tells how many dead ones it removed', async () => {
    await given(1)
    rig.ask('XGROUP', 'CREATECONSUMER', 's', 'g', 'dead')
    expect([await group.removeDeadConsumers(60_000), await group.removeDeadConsumers(0)]).toEqual([0, 1])
    await group.leave()
    expect(pending()).toEqual(['1-0'])
    await group.acknowledge(settled(['1-0']))
    await group.leave()
    expect(rig.ask('XINFO', 'CONSUMERS', 's', 'g')).toEqual([])
  })
})
