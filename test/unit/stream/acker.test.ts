import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { type Ackable, Acker } from '#stream/acker.ts'

interface Sent {
  ids: string[]
  end: PromiseWithResolvers<{ hasOtherGroup: boolean }>
}

let sent: Sent[]
let acked: string[]
let errors: string[]
let otherGroups: number
let isAway: boolean
let acker: Acker<Ackable>

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] })
  ;[sent, acked, errors, otherGroups, isAway] = [[], [], [], 0, false]
  acker = new Acker<Ackable>({
    group: {
      acknowledge: (entries: { ids: string[] }) => {
        const end = Promise.withResolvers<{ hasOtherGroup: boolean }>()
        sent.push({ ids: entries.ids, end })
        if (isAway) end.reject(new Error('Redis is away'))
        return end.promise
      },
    } as never,
    onAcked: items => void acked.push(...items.map(({ id }) => id)),
    onOtherGroup: () => void otherGroups++,
    onError: ({ message }) => void errors.push(message),
  })
})
afterEach(() => {
  acker.close()
  jest.useRealTimers()
})

test('what is done in one turn goes as one, and what gathers meanwhile as the next', async () => {
  add('1-0', '2-0')
  await turns()
  add('3-0')
  await turns()
  add('4-0')
  await turns()
  expect(idsOfAll()).toEqual([['1-0', '2-0']])

  sent[0]!.end.resolve({ hasOtherGroup: false })
  await turns()
  expect(idsOfAll()).toEqual([
    ['1-0', '2-0'],
    ['3-0', '4-0'],
  ])
  expect(acked).toEqual(['1-0', '2-0'])
})

test('after a failure there is one attempt a pause, with all that was added meanwhile', async () => {
  add('1-0')
  await turns()
  sent[0]!.end.reject(new Error('Redis is away'))
  await turns(100)
  add('2-0')
  await turns(90)
  add('3-0')
  expect(idsOfAll()).toEqual([['1-0']])

  await turns(20)
  expect(idsOfAll()).toEqual([['1-0'], ['1-0', '2-0', '3-0']])
  expect(errors).toEqual(['Redis is away'])
})

test('drained when everything that was added is acknowledged, at once when nothing was', async () => {
  await acker.drained()
  add('1-0')
  let isDrained = false
  void acker.drained().then(() => (isDrained = true))
  await turns()
  add('2-0')
  sent[0]!.end.resolve({ hasOtherGroup: false })
  await turns()
  expect(isDrained).toBe(false)
  sent[1]!.end.resolve({ hasOtherGroup: false })
  await turns()
  expect(isDrained).toBe(true)
})

test('closed, it sends nothing more, and whoever waited goes on', async () => {
  add('1-0')
  await turns()
  sent[0]!.end.reject(new Error('Redis is away'))
  await turns()
  const drained = acker.drained()
  acker.close()
  add('2-0')
  await turns(1000)

  await drained
  expect(idsOfAll()).toEqual([['1-0']])
})

test('told that entries were kept for another group, it says so, and only then', async () => {
  add('1-0')
  await turns()
  sent[0]!.end.resolve({ hasOtherGroup: false })
  await turns()
  expect(otherGroups).toBe(0)
  add('2-0')
  await turns()
  sent[1]!.end.resolve({ hasOtherGroup: true })
  await turns()
  expect([otherGroups, acked]).toEqual([1, ['1-0', '2-0']])
})

test('a stream or group that is gone has nothing left to acknowledge: what was sent is done, and the rest goes on', async () => {
  add('1-0')
  await turns()
  add('2-0')
  sent[0]!.end.reject(new Error('NOGROUP No such key'))
  await turns()
  expect([acked, errors, idsOfAll()]).toEqual([['1-0'], [], [['1-0'], ['2-0']]])
  const drained = acker.drained()
  sent[1]!.end.reject(new Error('NOGROUP No such key'))
  await drained
  expect(acked).toEqual(['1-0', '2-0'])
})

test('at most five hundred go with one command', async () => {
  const ids = Array.from({ length: 501 }, (_, at) => `${at}-0`)
  add(...ids)
  await turns()
  sent[0]!.end.resolve({ hasOtherGroup: false })
  await turns()
  expect(idsOfAll()).toEqual([ids.slice(0, 500), ids.slice(500)])
})

test('what is done while a command is under way waits for its end, whatever turn it comes in', async () => {
  add('1-0')
  await turns()
  add('2-0')
  await turns()
  add('3-0')
  await turns()
  sent[0]!.end.reject(new Error('Redis is away'))
  await turns(199)
  add('4-0')
  await turns()
  expect(idsOfAll()).toEqual([['1-0']])
  await turns(1)
  expect(idsOfAll().slice(1)).toEqual([['1-0', '2-0', '3-0', '4-0']])
  sent[1]!.end.resolve({ hasOtherGroup: false })
  await turns(1000)
  expect([idsOfAll().length, acked]).toEqual([2, ['1-0', '2-0', '3-0', '4-0']])
  // And after that it sends at once again.
  add('5-0')
  await turns()
  expect(idsOfAll().at(-1)).toEqual(['5-0'])
})

test('what is done just before a command fails waits for the end of the pause with the rest', async () => {
  add('1-0')
  await turns()
  add('2-0')
  sent[0]!.end.reject(new Error('Redis is away'))
  await turns(199)
  expect(idsOfAll()).toEqual([['1-0']])
  await turns(1)
  expect(idsOfAll()).toEqual([['1-0'], ['1-0', '2-0']])
})

test('of many that are done in one turn, none asks a server again that has just failed', async () => {
  isAway = true
  add('1-0', '2-0', '3-0')
  await turns()
  expect(idsOfAll()).toEqual([['1-0', '2-0', '3-0']])
  expect(errors).toEqual(['Redis is away'])
})

test('whoever waits until all is acknowledged waits through a failure, and once it is, nobody waits any more', async () => {
  add('1-0')
  let isDrained = false
  const drained = acker.drained().then(() => (isDrained = true))
  await turns()
  sent[0]!.end.reject(new Error('Redis is away'))
  await turns()
  expect(isDrained).toBe(false)
  await turns(200)
  sent[1]!.end.resolve({ hasOtherGroup: false })
  await drained
  await acker.drained()
  add('2-0')
  let isDrainedAgain = false
  void acker.drained().then(() => (isDrainedAgain = true))
  await turns()
  expect(isDrainedAgain).toBe(false)
})

test('closed while a command is under way that fails, it neither tells nor tries again', async () => {
  add('1-0')
  await turns()
  let isDrained = false
  const drained = acker.drained().then(() => (isDrained = true))
  acker.close()
  await turns()
  expect(isDrained).toBe(false)
  sent[0]!.end.reject(new Error('Redis is away'))
  await drained
  await turns(1000)
  expect([errors, jest.getTimerCount(), idsOfAll()]).toEqual([[], 0, [['1-0']]])
})

test('closed after a failure, it has no timer any more, and takes in nothing', async () => {
  add('1-0')
  await turns()
  sent[0]!.end.reject(new Error('Redis is away'))
  await turns()
  expect(jest.getTimerCount()).toBe(1)
  acker.close()
  expect(jest.getTimerCount()).toBe(0)
  add('2-0')
  await acker.drained()
})

function add(...ids: string[]): void {
  for (const id of ids) acker.add({ id } as Ackable)
}

/** After so many ms, the turns of the loop in which what is due then comes to its end. */
async function turns(ms = 0): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms)
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

function idsOfAll(): string[][] {
  return sent.map(({ ids }) => ids)
}
