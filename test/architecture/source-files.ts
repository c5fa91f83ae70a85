import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type Node, parseSync, Visitor } from 'oxc-parser'

/** One arrow out of a file: to another file of ours, or to a package. */
export interface Import {
  /** As it is written. */
  specifier: string
  line: number
  /** Path from the root of the repository; undefined for a package. */
  file: string | undefined
  /** The package's name, `node:…` included; undefined for a file of ours and for a computed name. */
  package: string | undefined
  /** Nothing of it is there when the program runs. */
  isType: boolean
}

export interface SourceFile {
  /** Path from the root of the repository. */
  path: string
  lines: number
  /** Of each function that the file holds, in lines. */
  functionLines: number[]
  imports: Import[]
}

const ROOT = resolve(import.meta.dirname, '../..')

type Aliases = Readonly<Record<string, string>>

/** Everything that runs, development's part included. */
export function readSources(): SourceFile[] {
  const paths = listFiles(['src/**/*.{ts,cjs}', 'queues/**/*.ts', 'workers/**/*.ts'])
  const { imports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { imports: Aliases }
  return paths
    .filter(path => !path.endsWith('.d.ts'))
    .map(path => readSource(path, readFileSync(join(ROOT, path), 'utf8'), imports))
}

/** Static and dynamic imports, re-exports, `import('…').Type`, `require` and `new URL` to a source file. */
export function readSource(path: string, text: string, aliases: Aliases): SourceFile {
  const found: SourceFile = { path, lines: text.split('\n').length - 1, functionLines: [], imports: [] }
  const constants = new Map<string, string>()
  const lineAt = (position: number) => text.slice(0, position).split('\n').length
  const add = (specifier: Node | undefined | null, isType: boolean) => {
    if (specifier === undefined || specifier === null) return
    const name = specifier.type === 'Identifier' ? constants.get(specifier.name) : textOf(specifier)
    const line = lineAt(specifier.start)
    if (name === undefined)
      found.imports.push({ ...UNKNOWN, specifier: text.slice(specifier.start, specifier.end), line })
    else found.imports.push({ specifier: name, line, isType, ...resolveImport(path, name, aliases) })
  }
  const measure = ({ start, end }: Node) => found.functionLines.push(lineAt(end) - lineAt(start) + 1)
  const { program, errors } = parseSync(path, text, { astType: 'ts' })
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`)
  new Visitor({
    ImportDeclaration: ({ source, importKind }) => add(source, importKind === 'type'),
    ExportNamedDeclaration: ({ source, exportKind }) => add(source, exportKind === 'type'),
    ExportAllDeclaration: ({ source, exportKind }) => add(source, exportKind === 'type'),
    TSImportType: ({ source }) => add(source, true),
    ImportExpression: ({ source }) => add(source, false),
    CallExpression: ({ callee, arguments: [argument] }) => {
      const isRequire = /^require(\.resolve)?$/.test(text.slice(callee.start, callee.end))
      if (isRequire) add(argument, false)
    },
    NewExpression: ({ callee, arguments: [argument] }) => {
      const isFile = callee.type === 'Identifier' && callee.name === 'URL' && isSourcePath(argument)
      if (isFile) add(argument, false)
    },
    VariableDeclarator: ({ id, init }) => {
      const value = init === null ? undefined : textOf(init)
      if (id.type === 'Identifier' && value !== undefined) constants.set(id.name, value)
    },
    FunctionDeclaration: measure,
    FunctionExpression: measure,
    ArrowFunctionExpression: measure,
  }).visit(program)
  return found
}

const UNKNOWN = { file: undefined, package: undefined, isType: false }

/** Of a string, or of a template without values. */
function textOf(node: Node): string | undefined {
  if (node.type === 'Literal') return String(node.value)
  return node.type === 'TemplateLiteral' && node.expressions.length === 0 ? node.quasis[0]?.value.raw : undefined
}

const isSourcePath = (node: Node | undefined) => node !== undefined && /^\.{1,2}\/.*\.ts$/.test(textOf(node) ?? '')

function resolveImport(from: string, specifier: string, aliases: Aliases): Pick<Import, 'file' | 'package'> {
  if (specifier.startsWith('.')) return { file: join(dirname(from), specifier), package: undefined }
  for (const [alias, target] of Object.entries(aliases)) {
    const prefix = alias.replace('*', '')
    if (specifier.startsWith(prefix))
      return { file: join(target.replace('*', specifier.slice(prefix.length))), package: undefined }
  }
  const [scope = '', name = ''] = specifier.split('/')
  return { file: undefined, package: scope.startsWith('@') ? `${scope}/${name}` : scope }
}

/** Paths from the root of the repository, in order; what is installed is not ours. */
export function listFiles(patterns: readonly string[]): string[] {
  const exclude = (path: string) => /(^|\/)node_modules(\/|$)/.test(path)
  return globSync(patterns, { cwd: ROOT, exclude }).sort()
}

/** Is there such a file? An arrow that leads nowhere would hide from every rule. */
export const isThere = (path: string) => existsSync(join(ROOT, path))
export const fromRoot = (path: string) => join(ROOT, path)
