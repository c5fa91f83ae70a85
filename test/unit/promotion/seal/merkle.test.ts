import { hash } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { hashLeaf, pathOf, rootAlong, rootOf } from '#promotion/seal/merkle.ts'

const sha256 = (bytes: Buffer) => hash('sha256', bytes, 'buffer')

/** RFC 6962, chapter 2.1, word for word. */
function treeHash(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves
  if (only === undefined) return sha256(Buffer.alloc(0))
  if (leaves.length === 1) return sha256(Buffer.concat([Buffer.from([0]), only]))
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return sha256(Buffer.concat([Buffer.from([1]), treeHash(leaves.slice(0, split)), treeHash(leaves.slice(split))]))
}

const contents = (count: number) => Array.from({ length: count }, (_, index) => Buffer.from(`gift ${index}`))

describe('Merkle tree of RFC 6962', () => {
  test.each([0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 100])('%i leaves have the root that the RFC says', count => {
    expect(rootOf(contents(count).map(hashLeaf))).toEqual(treeHash(contents(count)))
  })

  test('each leaf of each size leads to the root along its path, and at no other place', () => {
    for (let size = 1; size <= 40; size++) {
      const leaves = contents(size).map(hashLeaf)
      const root = rootOf(leaves)
      for (const [index, leaf] of leaves.entries()) {
        const path = pathOf(leaves, index)
        expect(rootAlong(leaf, { index, size, path })).toEqual(root)
        const elsewhere = (index + 1) % size
        if (size > 1) expect(rootAlong(leaf, { index: elsewhere, size, path })).not.toEqual(root)
      }
    }
  })

  test('complete subtrees of one size may be hashed by themselves', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.constantFrom(2, 4, 16), (size, chunk) => {
        const leaves = contents(size).map(hashLeaf)
        const roots: Buffer[] = []
        for (let start = 0; start < size; start += chunk) roots.push(rootOf(leaves.slice(start, start + chunk)))
        const index = size - 1
        const place = Math.floor(index / chunk)
        const own = leaves.slice(place * chunk, (place + 1) * chunk)
        const path = [...pathOf(own, index - place * chunk), ...pathOf(roots, place)]
        expect(rootOf(roots)).toEqual(rootOf(leaves))
        expect(rootAlong(leaves[index] as Buffer, { index, size, path })).toEqual(rootOf(leaves))
      }),
    )
  })

  test('a path that is too short, too long or beside the tree leads nowhere', () => {
    const leaves = contents(5).map(hashLeaf)
    const [leaf] = leaves as [Buffer]
    const path = pathOf(leaves, 0)
    expect(rootAlong(leaf, { index: 0, size: 5, path: path.slice(1) })).toBeUndefined()
    expect(rootAlong(leaf, { index: 0, size: 5, path: [...path, leaf] })).toBeUndefined()
    for (const index of [-1, 5, Number.NaN]) expect(rootAlong(leaf, { index, size: 5, path })).toBeUndefined()
  })
})
