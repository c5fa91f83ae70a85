import { hash } from 'node:crypto'

/*
 * The Merkle tree of RFC 6962 (Certificate Transparency), SHA-256: a leaf is hashed behind the byte 0, a node behind the
 * byte 1, so that no node can be shown as a leaf. A last node without a neighbour rises to the next level as it is.
 */

export const HASH_BYTES = 32

const sha256 = (bytes: Buffer): Buffer => hash('sha256', bytes, 'buffer')

const LEAF = Buffer.from([0])
const NODE = Buffer.from([1])

export function hashLeaf(content: Buffer): Buffer {
  return sha256(Buffer.concat([LEAF, content]))
}

function hashNode(left: Buffer, right: Buffer): Buffer {
  return sha256(Buffer.concat([NODE, left, right]))
}

function nextLevel(hashes: readonly Buffer[]): Buffer[] {
  const level: Buffer[] = []
  for (let index = 0; index < hashes.length; index += 2) {
    const left = hashes[index] as Buffer
    const right = hashes[index + 1]
    level.push(right === undefined ? left : hashNode(left, right))
  }
  return level
}

/** The root over the hashes of leaves, or over those of complete subtrees of one size (the last may be smaller). */
export function rootOf(hashes: readonly Buffer[]): Buffer {
  let level = hashes
  while (level.length > 1) level = nextLevel(level)
  return level[0] ?? sha256(Buffer.alloc(0))
}

/** The hashes beside the way from the leaf at `index` to the root. */
export function pathOf(hashes: readonly Buffer[], index: number): Buffer[] {
  const path: Buffer[] = []
  let level = hashes
  for (let place = index; level.length > 1; place = Math.floor(place / 2)) {
    const beside = level[place % 2 === 0 ? place + 1 : place - 1]
    if (beside !== undefined) path.push(beside)
    level = nextLevel(level)
  }
  return path
}

/** The root that a leaf at `index` of `size` leads to along `path`; undefined when the path has another length. */
export function rootAlong(
  leaf: Buffer,
  { index, size, path }: { index: number; size: number; path: readonly Buffer[] },
): Buffer | undefined {
  if (!(index >= 0 && index < size)) return undefined
  const beside = path.values()
  let reached: Buffer = leaf
  for (let place = index, width = size; width > 1; place = Math.floor(place / 2), width = Math.ceil(width / 2)) {
    if (place % 2 === 0 && place + 1 === width) continue
    const { value } = beside.next()
    if (value === undefined) return undefined
    reached = place % 2 === 0 ? hashNode(reached, value) : hashNode(value, reached)
  }
  return beside.next().done ? reached : undefined
}
