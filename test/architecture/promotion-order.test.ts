import { expect, test } from '@jest/globals'
import { readSources, type SourceFile } from './source-files.ts'

/** In the order of a gift's life: a room knows those before it, and what all of them count. */
const ORDER = ['intake', 'payment', 'consumers', 'upkeep']
const FOR_ALL = 'src/promotion/metrics.ts'

const roomOf = (path: string) => /^src\/promotion\/([a-z]+)\//.exec(path)?.[1] ?? ''

function wrongArrows(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, imports }) => {
    const place = ORDER.indexOf(roomOf(path))
    if (place < 0) return []
    const inside = imports.flatMap(({ file }) => (file?.startsWith('src/promotion/') && file !== FOR_ALL ? [file] : []))
    const isBefore = (file: string) => ORDER.slice(0, place + 1).includes(roomOf(file))
    return inside.filter(file => !isBefore(file)).map(file => `${path} → ${file}`)
  })
}

test('the rooms of a promotion know only those before them in the life of a gift', () => {
  expect(wrongArrows(readSources())).toEqual([])
})

test('an arrow back is seen', () => {
  const arrow = (path: string, file: string) =>
    wrongArrows([{ path, imports: [{ file }] } as unknown as SourceFile]).length
  expect(arrow('src/promotion/intake/a.ts', 'src/promotion/payment/b.ts')).toBe(1)
  expect(arrow('src/promotion/consumers/a.ts', 'src/promotion/upkeep/b.ts')).toBe(1)
  expect(arrow('src/promotion/payment/a.ts', 'src/promotion/operations.ts')).toBe(1)
  expect(arrow('src/promotion/payment/a.ts', 'src/promotion/intake/b.ts')).toBe(0)
})
