import { describe, expect, it } from '@jest/globals'
import { describeFigures, measure } from './figures.ts'
import { readArchitecture, withRoomsTable } from './markdown.ts'
import { ROOMS, SIZES } from './rooms.ts'
import { findCycles, forbiddenImports, roomOf, unusedArrows, wrongArrows } from './rules.ts'
import { fromRoot, isThere, readSource, readSources } from './source-files.ts'

const files = readSources()
const ALIASES = { '#stream/*': './src/stream/*', '#kafka/*': './src/kafka/*', '#local/*': './src/local/*' }

/** What the table says of one line in a file. */
const verdict = (path: string, line: string) => forbiddenImports(readSource(path, line, ALIASES)).join()

describe('the rooms', () => {
  it('import only what the table says', () => {
    expect(files.flatMap(file => forbiddenImports(file))).toEqual([])
  })

  it('import downwards only, and each arrow of the table is of use', () => {
    expect(wrongArrows()).toEqual([])
    expect(unusedArrows(files)).toEqual([])
  })

  it('leave development alone: nothing of production imports it', () => {
    const production = ROOMS.filter(({ folder }) => !folder.startsWith('src/local'))
    expect(production.flatMap(({ mayImport }) => mayImport).filter(folder => folder.startsWith('src/local'))).toEqual(
      [],
    )
  })

  it('hold no ring of imports, types included', () => {
    expect(findCycles(files)).toEqual([])
  })

  it('have each file in one of them, and import only files that are there', () => {
    expect(files.filter(({ path }) => roomOf(path) === undefined).map(({ path }) => path)).toEqual([])
    const targets = new Set(files.flatMap(({ imports }) => imports.flatMap(({ file }) => file ?? [])))
    expect([...targets].filter(target => !isThere(target))).toEqual([])
  })

  it('stand in ARCHITECTURE.md as they stand here', () => {
    const document = readArchitecture(fromRoot('ARCHITECTURE.md'))
    expect(document).toBe(withRoomsTable(document))
  })
})

describe('an import against the table is seen', () => {
  it.each([
    ['a back door', 'src/promotion/operations.ts', `import { StreamPool } from '#stream/pool.ts'`, 'only doors'],
    [
      'a back door by a relative path',
      'src/promotion/operations.ts',
      `import { StreamPool } from '../stream/pool.ts'`,
      'only doors',
    ],
    ['a foreign package', 'src/bin/parts.ts', `import { Kafka } from 'kafkajs'`, 'knows no kafkajs'],
    [
      'a part of a foreign package',
      'src/admin/app.ts',
      `import x from '@mikro-orm/core/dist'`,
      'knows no @mikro-orm/core',
    ],
    ['a type of a foreign package', 'src/bin/parts.ts', `import type { Kafka } from 'kafkajs'`, 'knows no kafkajs'],
    ['an inline type', 'src/bin/parts.ts', `type K = import('kafkajs').Kafka`, 'knows no kafkajs'],
    ['a value where types are allowed', 'src/bin/parts.ts', `import { sql } from 'kysely'`, 'only types of kysely'],
    ['a dynamic import', 'src/admin/app.ts', `const k = await import('kafkajs')`, 'knows no kafkajs'],
    ['a dynamic import in backticks', 'src/admin/app.ts', 'const k = await import(`kafkajs`)', 'knows no kafkajs'],
    ['a computed import', 'src/admin/app.ts', 'const k = await import(name)', 'computed name'],
    ['a require', 'src/admin/app.ts', `const k = require('kafkajs')`, 'knows no kafkajs'],
    ['a re-export', 'src/admin/app.ts', `export { Kafka } from 'kafkajs'`, 'knows no kafkajs'],
    ['a re-export of all', 'src/promotion/metrics.ts', `export * from '#stream/pool.ts'`, 'only doors'],
    ['an import for its effect', 'src/runtime/service.ts', `import '#kafka/client.ts'`, 'may not import src/kafka'],
    ['a neighbour', 'src/kafka/client.ts', `import type { x } from '#stream/index.ts'`, 'may not import src/stream'],
    ['an arrow up', 'src/stream/queue.ts', `import '../promotion/metrics.ts'`, 'may not import src/promotion'],
    ['development', 'src/bin/commands/retry.ts', `import '#local/demo/run.ts'`, 'may not import src/local'],
    ['a test', 'src/local/demo.ts', `import '../../test/support/chaos.ts'`, 'in no room'],
  ])('%s', (_, path, line, why) => {
    expect(verdict(path, line)).toContain(why)
  })

  it('a ring of types, told by the shortest way', () => {
    const ring = [
      readSource('src/kafka/a.ts', `import type { B } from './b.ts'`, ALIASES),
      readSource('src/kafka/b.ts', `import { c } from './c.ts'\nimport './d.ts'`, ALIASES),
      readSource('src/kafka/c.ts', `export type { A } from './a.ts'`, ALIASES),
      readSource('src/kafka/d.ts', `export const d = 1`, ALIASES),
    ]
    expect(findCycles(ring)).toEqual(['src/kafka/a.ts → src/kafka/b.ts → src/kafka/c.ts → src/kafka/a.ts'])
  })
})

describe('sizes', () => {
  const figures = measure(files)

  it('files are read at one sitting', () => {
    process.stderr.write(`${describeFigures(figures, findCycles(files).length)}\n`)
    expect(figures.files.tooLong).toEqual([])
    expect(figures.files.median).toBeLessThanOrEqual(SIZES.file.median)
  })

  it('functions are read at a glance', () => {
    expect(figures.functions.tooLong).toEqual([])
    expect(figures.functions.median).toBeLessThanOrEqual(SIZES.function.median)
    expect(figures.functions.p90).toBeLessThanOrEqual(SIZES.function.p90)
  })

  it('the domain’s folders are seen whole', () => {
    expect(figures.folders.tooFull).toEqual([])
  })

  it('a file or function that is too long, and a folder that is too full, are named', () => {
    const source = (name: string, lines: number, functionLines: number[] = []) => ({
      path: `src/promotion/${name}.ts`,
      lines,
      functionLines,
      imports: [],
    })
    const many = Array.from({ length: SIZES.filesPerFolder.max + 1 }, (_, index) => source(String(index), 10))
    const long = source('long', SIZES.file.max + 1, [SIZES.function.max, SIZES.function.max + 1])
    expect(measure([...many, long])).toMatchObject({
      files: { tooLong: [`src/promotion/long.ts: ${SIZES.file.max + 1}`] },
      functions: { tooLong: [`src/promotion/long.ts: a function of ${SIZES.function.max + 1}`] },
      folders: { tooFull: [`src/promotion: ${SIZES.filesPerFolder.max + 2}`] },
    })
  })
})
