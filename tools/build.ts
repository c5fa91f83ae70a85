import { execFile } from 'node:child_process'
import { chmod, copyFile, glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'

/**
 * `npm run build`: what others install. tsc makes `dist/` (all of it) and `packages/stream/dist` (the framework alone) from
 * a copy of the sources in which `#room/file.ts` is a relative path, since tsc rewrites only those to `.js`. Here stands
 * what tsc does not do.
 */

interface Manifest {
  version: string
  engines: { node: string }
}

const root = join(import.meta.dirname, '..')
const run = promisify(execFile)
const stage = join(root, '.build')
/** The framework alone; only here are declarations made. */
const STREAM = 'packages/stream/dist'

await rm(stage, { recursive: true, force: true })
for (const pattern of ['{src,queues,workers}/**/*.ts', 'src/**/*.cjs'])
  for await (const file of glob(pattern, { cwd: root })) await put(stage, file, withRelativeImports)
await Promise.all([build('tsconfig.build.json', 'dist'), build('packages/stream/tsconfig.build.json', STREAM)])
for await (const file of glob('src/**/*.{cjs,css,svg,js}', { cwd: root }))
  await put(join(root, 'dist'), file, withBuiltImports)
for await (const file of glob('**/*.d.ts', { cwd: join(root, STREAM) }))
  await copyFile(join(root, STREAM, file), join(root, 'dist/src', file))
await writeFile(join(root, 'dist/package.json'), await builtManifest())
const readme = await readFile(join(root, 'docs/stream.md'), 'utf8')
await writeFile(join(root, 'packages/stream/README.md'), readme.replaceAll('](../examples/', '](examples/'))
await rm(join(root, 'packages/stream/examples'), { recursive: true, force: true })
for await (const file of glob('examples/*.ts', { cwd: root }))
  await put(join(root, 'packages/stream'), file, byItsOwnName)
await rm(stage, { recursive: true, force: true })

async function build(project: string, outDir: string): Promise<void> {
  await rm(join(root, outDir), { recursive: true, force: true })
  const staged = join(stage, project.replaceAll('/', '-'))
  const config = JSON.parse(await readFile(join(root, project), 'utf8')) as { compilerOptions: object }
  config.compilerOptions = { ...config.compilerOptions, outDir: join(root, outDir) }
  await writeFile(staged, JSON.stringify(config))
  const { stdout } = await run(join(root, 'node_modules/.bin/tsc'), ['-p', staged], { cwd: root }).catch(error => error)
  if (stdout !== '') throw new Error(stdout)
}

async function put(folder: string, file: string, change: (text: string, file: string) => string): Promise<void> {
  const target = join(folder, file)
  await mkdir(dirname(target), { recursive: true })
  await writeFile(target, change(await readFile(join(root, file), 'utf8'), file))
  if (file.endsWith('.cjs')) await chmod(target, 0o755)
}

/** Line numbers stay, so that source maps tell the truth. */
function withRelativeImports(text: string, file: string): string {
  return text.replaceAll(/(\bfrom |\bimport\(|^import )'#([\w-]+)\/([^']+)'/gm, (_all, before, room, path) => {
    const target = join(room === 'queues' || room === 'workers' ? '' : 'src', room, path)
    const specifier = relative(dirname(file), target)
    return `${before}'${specifier.startsWith('.') ? '' : './'}${specifier}'`
  })
}

/** An example as a user of the framework alone writes it. */
function byItsOwnName(text: string): string {
  return text.replaceAll("'promostream/stream'", "'promostream-stream'")
}

/** Of files that tsc does not see. */
function withBuiltImports(text: string, file: string): string {
  return file.endsWith('.cjs') ? text.replaceAll(/(import\('\.\/[\w-]+)\.ts'\)/g, "$1.js')") : text
}

/** The package.json next to what was built: which Node it wants, and which version it is. */
async function builtManifest(): Promise<string> {
  const { version, engines } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Manifest
  return `${JSON.stringify({ type: 'module', version, engines }, undefined, 2)}\n`
}
