import { expect, test } from '@jest/globals'
import kafkajs from 'kafkajs'
import { compress } from 'snappy'
import { registerCodecs } from '#kafka/codecs.ts'

const { CompressionCodecs, CompressionTypes } = kafkajs

const HEADER = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])

const snappy = () => {
  registerCodecs()
  return CompressionCodecs[CompressionTypes.Snappy]() as unknown as { decompress(buffer: Buffer): Promise<Buffer> }
}

/** Blocks as Java's clients write them, each behind its length. */
async function xerial(...texts: string[]): Promise<Buffer> {
  const blocks = await Promise.all(texts.map(text => compress(text)))
  const parts = blocks.flatMap(block => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(block.length)
    return [length, block]
  })
  return Buffer.concat([HEADER, ...parts])
}

test.each([[[]], [['a gift']], [['a gift, ', 'and another, ', 'and more '.repeat(100)]]])(
  'snappy as Java’s clients write it is read block by block: %j',
  async texts => {
    expect(String(await snappy().decompress(await xerial(...texts)))).toBe(texts.join(''))
  },
)

test('snappy as librdkafka writes it is one block', async () => {
  expect(String(await snappy().decompress(await compress('a gift')))).toBe('a gift')
})

test('a block that is cut is told', async () => {
  const whole = await xerial('a gift', 'and another')
  await expect(snappy().decompress(whole.subarray(0, -1))).rejects.toThrow('a snappy block is cut')
})

test.each(['Snappy', 'LZ4', 'ZSTD'] as const)('%s gives back what was packed', async name => {
  registerCodecs()
  const codec = CompressionCodecs[CompressionTypes[name]]() as unknown as {
    compress(encoder: { buffer: Buffer }): Promise<Buffer>
    decompress(buffer: Buffer): Promise<Buffer>
  }
  const packed = await codec.compress({ buffer: Buffer.from('a gift '.repeat(100)) })
  expect(packed.length).toBeLessThan(100)
  expect(String(await codec.decompress(packed))).toBe('a gift '.repeat(100))
})
