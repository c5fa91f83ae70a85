import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { type Ackable, Acker } from '#stream/acker.ts'

interface Sent {
  ids: string[]
  end: PromiseWithResolvers<{ hasOtherGroup: boolean }>
}

let sent: Sent[]
let acked: string[]
let errors: string[]
let acker: Acker<Ackable>

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] })
  ;[sent, acked, errors] = [[], [], []]
  acker = new Acker<Ackable>({
    group: {
      acknowledge: (entries: { ids: string[] }) => {
        const end = Promise.withResolvers<{ hasOtherGroup: boolean }>()
        sent.push({ ids: entries.ids, end })
        return end.promise
      },
    } as never,
    onAcked: items => void acked.push(...items.map(({ id }) => id)),
    onOtherGroup: () => undefined,
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
