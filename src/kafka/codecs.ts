import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import kafkajs from 'kafkajs'
import { compressFrame, decompressFrame } from 'lz4-napi'
import { compress as snappyCompress, uncompress as snappyUncompress } from 'snappy'

// A name that Node does not find in a CommonJS module.
const { CompressionCodecs, CompressionTypes } = kafkajs

/** What kafkajs asks of a codec; it brings gzip only. */
interface Codec {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>
  decompress(buffer: Buffer): Promise<Buffer>
}

/** Java's clients write snappy in blocks behind this header (xerial's stream), librdkafka writes one raw block. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
/** The magic, and two versions of 4 bytes. */
const XERIAL_HEADER_BYTES = XERIAL_MAGIC.length + 8

const snappy: Codec = {
  compress: ({ buffer }) => snappyCompress(buffer),
  decompress: async buffer => {
    if (!buffer.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return uncompressBlock(buffer)
    return Buffer.concat(await Promise.all(xerialBlocks(buffer).map(uncompressBlock)))
  },
}

const uncompressBlock = async (block: Buffer): Promise<Buffer> => (await snappyUncompress(block)) as Buffer

function xerialBlocks(buffer: Buffer): Buffer[] {
  const blocks: Buffer[] = []
  for (let at = XERIAL_HEADER_BYTES; at < buffer.length; ) {
    const begin = at + 4
    at = begin + buffer.readUInt32BE(at)
    if (at > buffer.length) throw new Error('a snappy block is cut')
    blocks.push(buffer.subarray(begin, at))
  }
  return blocks
}

const lz4: Codec = {
  compress: ({ buffer }) => compressFrame(buffer),
  decompress: buffer => decompressFrame(buffer),
}

const [zstdPack, zstdUnpack] = [promisify(zstdCompress), promisify(zstdDecompress)]
const zstd: Codec = { compress: ({ buffer }) => zstdPack(buffer), decompress: buffer => zstdUnpack(buffer) }

/** Every codec that Kafka knows, for all clients of this process. */
export function registerCodecs(): void {
  CompressionCodecs[CompressionTypes.Snappy] = () => snappy
  CompressionCodecs[CompressionTypes.LZ4] = () => lz4
  CompressionCodecs[CompressionTypes.ZSTD] = () => zstd
}
