import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { DeliveryCounter } from '#stream/delivery-counter.ts'
import type { Renewal } from '#stream/group.ts'
import { LeasedEntries } from '#stream/leased-entries.ts'

/** A server that loses the answers to the first `losses` commands. */
function counterOf(losses: number) {
  const sent: Renewal[][] = []
  const forgiven: string[] = []
  const errors: string[] = []
  /** What other processes took while a command was on its way. */
  const taken = new Set<string>()
  /** By other processes, since ours looked. */
  const forgivenElsewhere = new Map<string, number>()
  const counter = new DeliveryCounter({
    group: {
      renew: async renewals => {
        sent.push(renewals.map(({ id, count }) => ({ id, count: count ?? -1 })))
        if (sent.length <= losses) throw new Error('Command timed out')
        const ours = renewals.filter(({ id }) => !taken.has(id))
        return new Map(ours.map(({ id, count = 0 }) => [id, count - (forgivenElsewhere.get(id) ?? 0)]))
      },
      forgive: async ids => void forgiven.push(...ids),
    },
    onError: ({ message }) => void errors.push(message),
  })
  const leased = new LeasedEntries<Record<string, string>>()
  const suspectOf = (id: string) => {
    const lease = leased.add({ id, stream: 's', fields: {}, deliveries: 2 } as never, performance.now(), 'suspect')
    if (lease === undefined) throw new Error('not leased')
    return lease
  }
  return { counter, sent, forgiven, errors, taken, forgivenElsewhere, leased, suspectOf }
}

test('a count whose answer was lost, of a run that never began, is put right by the command that counts the next one', async () => {
  const { counter, sent, errors, suspectOf } = counterOf(1)
  const [first, killer] = [suspectOf('1-0'), suspectOf('2-0')]
  await expect(counter.count(first)).rejects.toThrow('Command timed out')
  expect(errors).toEqual(['Command timed out'])
  expect(await counter.count(killer)).toBe(true)
  expect(sent).toEqual([
    [{ id: '1-0', count: 2 }],
    [
      { id: '2-0', count: 2 },
      { id: '1-0', count: 1 },
    ],
  ])
  killer.isCounted = true
  expect(await counter.count(first)).toBe(true)
  expect(sent.at(-1)).toEqual([{ id: '1-0', count: 2 }])
})

test('one that may be another’s by now is forgiven what nobody has begun; one that is gone is left alone', async () => {
  const { counter, sent, forgiven, leased, suspectOf } = counterOf(2)
  const [lost, gone, next] = [suspectOf('1-0'), suspectOf('2-0'), suspectOf('3-0')]
  await expect(counter.count(lost)).rejects.toThrow('Command timed out')
  counter.forgive(lost)
  await counter.settleForgiveness()
  expect(forgiven).toEqual(['1-0'])
  await expect(counter.count(gone)).rejects.toThrow('Command timed out')
  leased.remove(gone)
  await turn()
  await counter.count(next)
  expect(sent.at(-1)).toEqual([{ id: '3-0', count: 2 }])
})

test('what another process has forgiven since ours looked is learnt with the count of the run that begins', async () => {
  const { counter, forgivenElsewhere, suspectOf } = counterOf(0)
  const lease = suspectOf('1-0')
  forgivenElsewhere.set('1-0', 1)
  expect(await counter.count(lease)).toBe(true)
  expect(lease.entry.deliveries).toBe(1)
})

test('a run that is over, of an entry that was taken meanwhile, does not stand against its new owner’s', async () => {
  const { counter, forgiven, taken, suspectOf } = counterOf(0)
  const [ours, theirs] = [suspectOf('1-0'), suspectOf('2-0')]
  for (const lease of [ours, theirs]) lease.isCounted = await counter.count(lease)
  taken.add('2-0')
  await Promise.all([counter.takeBack(ours), counter.takeBack(theirs)])
  expect(counter.owesForgiveness).toBe(true)
  await counter.settleForgiveness()
  expect(forgiven).toEqual(['2-0'])
})

test('a count whose answer was lost, of an entry that may be another’s by now, is forgiven', async () => {
  const { counter, forgiven, suspectOf } = counterOf(1)
  const lease = suspectOf('1-0')
  const counting = counter.count(lease)
  lease.isLost = true
  counter.forgive(lease)
  await expect(counting).rejects.toThrow('Command timed out')
  await counter.settleForgiveness()
  expect([forgiven, counter.isUnsure(lease)]).toEqual([['1-0'], false])
})
