import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type Node, parseSync } from 'oxc-parser'

/** Whoever uses the package reads its declarations: every exported name and each of its members says what it is. */

const ROOT = join(import.meta.dirname, '../..')
const DOORS = ['src/stream/index.ts', 'src/bull-board/index.ts']

let declarations = ''

beforeAll(async () => {
  declarations = await mkdtemp(join(tmpdir(), 'promostream-declarations-'))
  const config = join(ROOT, `tsconfig.declarations-${process.pid}.json`)
  const compilerOptions = {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    stripInternal: true,
    noCheck: true,
    rootDir: '.',
    outDir: declarations,
  }
  await writeFile(config, JSON.stringify({ extends: './tsconfig.json', compilerOptions, include: DOORS }))
  try {
    await promisify(execFile)(join(ROOT, 'node_modules/.bin/tsc'), ['-p', config], { cwd: ROOT })
  } finally {
    await rm(config)
  }
}, 60_000)
afterAll(() => rm(declarations, { recursive: true, force: true }))

interface Source {
  file: string
  text: string
  body: readonly Node[]
  /** Where a comment of documentation ends. */
  docEnds: readonly number[]
}

async function read(file: string): Promise<Source> {
  const text = await readFile(join(declarations, file), 'utf8')
  const { program, comments } = parseSync(file, text)
  const docs = comments.filter(({ type, value }) => type === 'Block' && value.startsWith('*'))
  return { file, text, body: program.body as readonly Node[], docEnds: docs.map(({ end }) => end) }
}

const isDocumented = ({ text, docEnds }: Source, at: number) =>
  docEnds.some(end => end <= at && /^\s*$/.test(text.slice(end, at)))

interface Member {
  name: string
  start: number
}

// biome-ignore lint/suspicious/noExplicitAny: a tree of a hundred kinds of node, of which some parts are looked at.
type Tree = any

/** Names that users can write; what is private, a symbol's, or taken over from Node is not among them. */
function membersOf(node: Tree): Member[] {
  const parts: Tree[] = node.body?.body ?? node.members ?? []
  return parts.flatMap(part => {
    if (part.type === 'TSTypeLiteral') return membersOf(part)
    const { key, computed, accessibility, start } = part
    if (key === undefined || computed || key.type === 'PrivateIdentifier' || accessibility === 'private') return []
    return [{ name: String(key.name ?? key.value), start }]
  })
}

/** Of a type that is written out: its object's members, those of each part of a union. */
function writtenOut(type: Tree): Member[] {
  if (type?.type === 'TSTypeLiteral') return membersOf(type)
  return (type?.types ?? []).flatMap(writtenOut)
}

function undocumentedOf(source: Source, name: string, exported: Tree): string[] {
  const { declaration } = exported
  // What a class leaves out stands in a table, each word with its sentence.
  const own = declaration.type === 'VariableDeclaration' ? [] : membersOf(declaration)
  const members = [...own, ...writtenOut(declaration.typeAnnotation)]
  return [
    ...(isDocumented(source, exported.start) ? [] : [name]),
    ...members.filter(({ start }) => !isDocumented(source, start)).map(member => `${name}.${member.name}`),
  ].map(what => `${source.file}: ${what}`)
}

const declares = (node: Tree, name: string) =>
  node.type === 'ExportNamedDeclaration' &&
  node.declaration != null &&
  (node.declaration.id?.name === name || node.declaration.declarations?.some((one: Tree) => one.id.name === name))

async function undocumentedIn(door: string): Promise<{ names: string[]; undocumented: string[] }> {
  const index = await read(door.replace(/ts$/, 'd.ts'))
  const names: string[] = []
  const undocumented: string[] = []
  for (const node of index.body as Tree[]) {
    if (node.type !== 'ExportNamedDeclaration' || node.source == null) continue
    const target = node.source.value.startsWith('#')
      ? node.source.value.replace('#', 'src/')
      : join(dirname(door), node.source.value)
    const source = await read(target.replace(/ts$/, 'd.ts'))
    for (const { local } of node.specifiers) {
      names.push(local.name)
      const found = source.body.filter(each => declares(each, local.name))
      expect([local.name, found.length > 0]).toEqual([local.name, true])
      undocumented.push(...found.flatMap(each => undocumentedOf(source, local.name, each)))
    }
  }
  return { names, undocumented }
}

test('every exported name and member says what it is', async () => {
  for (const door of DOORS) {
    const { names, undocumented } = await undocumentedIn(door)
    expect(names.length).toBeGreaterThan(0)
    expect(undocumented).toEqual([])
  }
})

test('nobody outside gets hold of the client', async () => {
  const { text } = await read('src/stream/connection.d.ts')
  expect(text).not.toMatch(/^\s+(readonly )?client\b|constructor\(.*create/m)
})
