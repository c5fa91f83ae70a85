import { describe, expect, test } from '@jest/globals'
import { deadLetter, parseDeadLetter, StreamQueue } from '#stream/index.ts'
import { until } from '../../support/redis.ts'
import { connection, GROUP, name, redis, work } from '../../support/stream-harness.ts'

describe('dead letters', () => {
  test('keep the entry’s own fields, whatever their names, beside those of the framework', async () => {
    const own = { _id: 'mine', _reason: 'my own', __reason: 'mine too', _stream: '', n: '7', key: 'k' }
    work(() => deadLetter('cannot be done'))
    const queue = new StreamQueue(name, { connection, group: GROUP })
    const id = await queue.add(own)
    await until('an empty stream', async () => (await redis.probe.xlen(name)) === 0)
    const letters = new StreamQueue(`${name}:dead-letter`, { connection, group: GROUP })
    const found: Record<string, string>[] = []
    for await (const fields of letters.entries()) found.push(fields)
    expect(found).toEqual([expect.objectContaining(own)])
    expect(parseDeadLetter(found[0] ?? {})).toEqual({
      fields: own,
      id,
      stream: name,
      reason: 'cannot be done',
      deliveries: 1,
    })
  })
})
