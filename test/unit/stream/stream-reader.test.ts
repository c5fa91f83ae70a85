import { describe, expect, test } from '@jest/globals'
import type { RawEntry } from '#stream/entry.ts'
import { type Lease, LeasedEntries } from '#stream/leased-entries.ts'
import { StreamReader } from '#stream/stream-reader.ts'

type Fields = Record<string, string>

function readerOf() {
  const replies: PromiseWithResolvers<RawEntry[]>[] = []
  const begun: Lease<Fields>[] = []
  const reader = new StreamReader<Fields>({
    stream: 's',
    group: {
      read: () => {
        const reply = Promise.withResolvers<RawEntry[]>()
        replies.push(reply)
        return reply.promise
      },
    },
    leased: new LeasedEntries<Fields>(),
    begin: leased => void begun.push(leased),
    repeated: () => undefined,
    settleDeleted: () => undefined,
    onFailed: async () => undefined,
    onDrained: () => undefined,
  })
  return { reader, replies, begun }
}

describe('two reads at once', () => {
  test('each gives back the slots that were set aside for it, and no more, also when it failed', async () => {
    const { reader, replies, begun } = readerOf()
    const [first, second] = [reader.read(3), reader.read(5)]
    expect(reader.reading).toBe(8)
    replies[0]?.resolve([['1-0', ['n', '1']]])
    expect([await first, reader.reading, begun.length]).toEqual(['some', 5, 1])
    replies[1]?.reject(new Error('lost'))
    expect([await second, reader.reading]).toEqual(['failed', 0])
  })
})
