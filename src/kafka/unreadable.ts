import { createRequire } from 'node:module'
import type { KafkaMessage } from 'kafkajs'
import { toError } from '#runtime/errors.ts'

/**
 * A record batch that cannot be decoded fails the whole fetch in kafkajs, the other partitions of the broker with it,
 * again and again. Here such a batch becomes one record that says so, at the batch's last offset: whoever reads decides
 * about its partition alone. kafkajs has no hook for that, so its batch decoder is wrapped; it loads what uses it with
 * the first fetch.
 */
export interface UnreadableBatch {
  firstOffset: string
  error: Error
}

const unreadables = new WeakMap<object, UnreadableBatch>()

/** Why this record's batch could not be decoded, and where the batch begins; undefined for a record. */
export function unreadableBatch(message: KafkaMessage): UnreadableBatch | undefined {
  return unreadables.get(message)
}

interface Bytes {
  buffer: Buffer
  offset: number
}

type BatchDecoder = (bytes: Bytes) => Promise<{ records: object[] }>

const BATCH_DECODER = 'kafkajs/src/protocol/recordBatch/v0/decoder'
/** From the first byte of a batch (Kafka's record batch format, version 2). */
const AT = { leaderEpoch: 12, attributes: 21, lastOffsetDelta: 23, maxTimestamp: 35, producerId: 43, end: 61 } as const
const TRANSACTIONAL = 0x10

const require = createRequire(import.meta.url)
const original = require(BATCH_DECODER) as BatchDecoder
const cached = require.cache[require.resolve(BATCH_DECODER)]
if (cached === undefined) throw new Error(`${BATCH_DECODER} cannot be wrapped`)
cached.exports = async (bytes: Bytes) => {
  const header = bytes.buffer.subarray(bytes.offset, bytes.offset + AT.end)
  try {
    return await original(bytes)
  } catch (thrown) {
    const error = toError(thrown)
    // The fetch ended within this batch: it comes whole with the next one.
    if (error.name === 'KafkaJSPartialMessageError' || header.length < AT.end) throw error
    return { records: [placeholder(header, error)] }
  }
}

/** A batch of an aborted transaction is left out by kafkajs whatever it holds: that it stays one matters. */
function placeholder(header: Buffer, error: Error): object {
  const firstOffset = header.readBigInt64BE(0)
  const record = {
    magicByte: 2,
    attributes: 0,
    timestamp: String(header.readBigInt64BE(AT.maxTimestamp)),
    offset: String(firstOffset + BigInt(header.readInt32BE(AT.lastOffsetDelta))),
    key: null,
    value: null,
    headers: {},
    isControlRecord: false,
    batchContext: {
      firstOffset: String(firstOffset),
      partitionLeaderEpoch: header.readInt32BE(AT.leaderEpoch),
      inTransaction: (header.readInt16BE(AT.attributes) & TRANSACTIONAL) > 0,
      producerId: String(header.readBigInt64BE(AT.producerId)),
    },
  }
  unreadables.set(record, { firstOffset: String(firstOffset), error })
  return record
}
