import { expect, test } from '@jest/globals'
import { singleFlight } from '#runtime/single-flight.ts'

test('who calls while it runs gets the same run; the next one begins anew', async () => {
  let runs = 0
  const gate = Promise.withResolvers<void>()
  const run = singleFlight(async () => {
    runs += 1
    await gate.promise
    return runs
  })
  const [one, other] = [run(), run()]
  expect(run.inFlight()).toBe(one)
  gate.resolve()
  expect(await Promise.all([one, other])).toEqual([1, 1])
  expect(run.inFlight()).toBeUndefined()
  expect(await run()).toBe(2)
})

test('an error is everybody’s who waits, and ends the run', async () => {
  let runs = 0
  const run = singleFlight(async () => {
    runs += 1
    throw new Error(`run ${runs}`)
  })
  await Promise.all([run(), run()].map(waiting => expect(waiting).rejects.toThrow('run 1')))
  await expect(run()).rejects.toThrow('run 2')
})

test('one key does not wait for another', async () => {
  const began: string[] = []
  const run = singleFlight(
    async (id: string, _why: string) => {
      began.push(id)
      await new Promise(setImmediate)
      return id
    },
    id => id,
  )
  expect(await Promise.all([run('a', '1'), run('b', '1'), run('a', '2')])).toEqual(['a', 'b', 'a'])
  expect(began).toEqual(['a', 'b'])
})
