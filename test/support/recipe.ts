import { cpSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** A block of a page that changes a file: the whole text of a new one, or lines that are added between others. */
export interface RecipeStep {
  file: string
  isNew: boolean
  lines: string[]
}

/** The steps of a page, in their order: blocks marked «```diff FILE», and «```ts FILE» for a file that is new. */
export function readRecipe(page: string): RecipeStep[] {
  return [...readFileSync(page, 'utf8').matchAll(/^```(diff|ts) (\S+)\n([\s\S]*?)^```$/gm)].map(
    ([, kind, file, text]) => ({ file: file!, isNew: kind === 'ts', lines: text!.replace(/\n$/, '').split('\n') }),
  )
}

/** The sources, without tests, in a folder of their own; packages are the same. */
export function copySources(): string {
  const folder = mkdtempSync(join(tmpdir(), 'promostream-recipe-'))
  for (const name of ['src', 'queues', 'workers', 'package.json', 'tsconfig.json', 'mikro-orm.config.ts'])
    cpSync(name, join(folder, name), { recursive: true })
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
  return folder
}

/** Throws when the lines around an addition are not in the file, or not once. */
export function applyStep(folder: string, { file, isNew, lines }: RecipeStep): void {
  const path = join(folder, file)
  if (isNew) {
    writeFileSync(path, `${lines.join('\n')}\n`)
    return
  }
  const textOf = (wanted: (line: string) => boolean) =>
    lines
      .filter(wanted)
      .map(line => `${line.slice(1)}\n`)
      .join('')
  const parts = readFileSync(path, 'utf8').split(textOf(line => !line.startsWith('+')))
  if (parts.length !== 2) throw new Error(`${file} has this ${parts.length - 1} times, not once: ${lines.join('\n')}`)
  writeFileSync(path, parts.join(textOf(() => true)))
}
