import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { BlockedPartitions } from '#kafka/blocked-partitions.ts'

const at = (partition: number) => ({ topic: 't', partition })
const unreadable = (firstOffset: string) => ({ firstOffset, error: new Error('no codec') })

let logged: string[]
let wentOn: number[]
let blocked: BlockedPartitions

beforeEach(() => {
  jest.useFakeTimers()
  logged = []
  wentOn = []
  const log = (_fields: object, line: string) => void logged.push(line)
  blocked = new BlockedPartitions({ error: log, info: log } as never)
})

afterEach(() => {
  blocked.stop()
  jest.useRealTimers()
})

test('a partition that stands still says so until one of its batches was read', () => {
  expect(() => blocked.assertNone()).not.toThrow()
  block(0, '7')

  const reason = 'partition 0 of t stands still: its records from offset 7 on cannot be decoded: no codec'
  expect(() => blocked.assertNone()).toThrow(expect.objectContaining({ code: 'KAFKA_UNREADABLE', message: reason }))
  blocked.release(at(1))
  expect(() => blocked.assertNone()).toThrow(reason)
  blocked.release(at(0))
  expect(() => blocked.assertNone()).not.toThrow()
  expect(logged).toEqual([reason, 'partition 0 of t goes on'])
})

test('what it finds again is logged once, what else it finds once more', () => {
  block(0, '7')
  block(0, '7')
  block(0, '8')

  expect(logged.map(line => line.match(/offset \d+/)?.[0])).toEqual(['offset 7', 'offset 8'])
})

test('of several the first is told, and how many more there are', () => {
  for (const partition of [0, 1, 2]) block(partition, '7')

  expect(() => blocked.assertNone()).toThrow(/^partition 0 of t .*no codec \(and 2 more\)$/)
})

test('what others own now is not told', () => {
  for (const partition of [0, 1]) block(partition, '7')
  blocked.keepOnly({ t: [1], u: [0] })

  expect(() => blocked.assertNone()).toThrow(/^partition 1 of t .*no codec$/)
  blocked.keepOnly({})
  expect(() => blocked.assertNone()).not.toThrow()
})

test('it is looked at again ten seconds later, not after a stop', () => {
  block(0, '7')
  jest.advanceTimersByTime(9999)
  expect(wentOn).toEqual([])
  jest.advanceTimersByTime(1)
  expect(wentOn).toEqual([0])

  block(1, '7')
  blocked.stop()
  jest.advanceTimersByTime(60_000)
  expect(wentOn).toEqual([0])
})

function block(partition: number, firstOffset: string): void {
  blocked.block(at(partition), unreadable(firstOffset), () => () => wentOn.push(partition))
}
