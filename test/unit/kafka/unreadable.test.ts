import { createRequire } from 'node:module'
import { expect, test } from '@jest/globals'
import { unreadableBatch } from '#kafka/unreadable.ts'

const require = createRequire(import.meta.url)
const decode = require('kafkajs/src/protocol/recordBatch/v0/decoder') as (bytes: object) => Promise<Batch>
const Decoder = require('kafkajs/src/protocol/decoder') as new (
  bytes: Buffer,
) => { offset: number; forward(by: number): void }

interface Batch {
  records: { offset: string; value: Buffer | null; batchContext: object; timestamp: string; isControlRecord: boolean }[]
}

/** A record batch (version 2) of so many bytes after its header, whose records are no records. */
function brokenBatch({ attributes = 0, rest = 5 } = {}): Buffer {
  const bytes = Buffer.alloc(61 + rest, 0xff)
  bytes.writeBigInt64BE(9_007_199_254_740_993n, 0)
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt32BE(7, 12)
  bytes.writeInt8(2, 16)
  bytes.writeInt16BE(attributes, 21)
  bytes.writeInt32BE(4, 23)
  bytes.writeBigInt64BE(1_764_000_000_000n, 27)
  bytes.writeBigInt64BE(1_764_000_000_500n, 35)
  bytes.writeBigInt64BE(31n, 43)
  bytes.writeInt32BE(5, 57)
  return bytes
}

/** What the fetch makes of it, some bytes behind its beginning. */
async function decoded(batch: Buffer, before = 3) {
  const bytes = new Decoder(Buffer.concat([Buffer.alloc(before), batch]))
  bytes.forward(before)
  return await decode(bytes)
}

test('a batch that cannot be decoded is one record at its last offset, which says why and where the batch begins', async () => {
  const { records } = await decoded(brokenBatch())
  expect(records).toMatchObject([
    { offset: '9007199254740997', key: null, value: null, timestamp: '1764000000500', isControlRecord: false },
  ])
  const [record] = records
  expect(unreadableBatch(record as never)).toEqual({ firstOffset: '9007199254740993', error: expect.any(Error) })
  expect(record?.batchContext).toEqual({
    firstOffset: '9007199254740993',
    partitionLeaderEpoch: 7,
    inTransaction: false,
    producerId: '31',
  })
})

test('one of a transaction stays one: kafkajs leaves it out when the transaction was aborted', async () => {
  const { records } = await decoded(brokenBatch({ attributes: 0x10 }))
  expect(records[0]?.batchContext).toMatchObject({ inTransaction: true, producerId: '31' })
})

test.each([4, 20, 60, 63])(
  'a fetch that ends within a batch, %d bytes into it, is no unreadable one: it comes whole with the next',
  async length => {
    await expect(decoded(brokenBatch().subarray(0, length))).rejects.toThrow()
  },
)

test('a batch of no records is read as it is', async () => {
  const bytes = brokenBatch({ rest: 0 })
  bytes.writeInt32BE(0, 57)
  expect((await decoded(bytes)).records).toEqual([])
})

test('a record is no unreadable batch', () => {
  expect(unreadableBatch({ offset: '1' } as never)).toBeUndefined()
})
