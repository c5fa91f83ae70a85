import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

/** A place in a source file of the product and what the test build has there instead. */
export interface SourceEdit {
  /** Below the project's folder. */
  file: string
  /** Stands exactly once in it. */
  find: string
  put: string
}

const ROOT = new URL('../../../', import.meta.url)

/** The source with the edit in it. Throws when the place has moved: an edit that hits nothing would prove nothing. */
export function edited(source: string, { file, find, put }: SourceEdit): string {
  const parts = source.split(find)
  if (parts.length !== 2) throw new Error(`${file} has this ${parts.length - 1} times, not once: ${find}`)
  return parts.join(put)
}

export function sourceOf({ file }: SourceEdit): string {
  return readFileSync(fileURLToPath(new URL(file, ROOT)), 'utf8')
}

/** From now on these files are loaded with their edits; the product's own sources know nothing of it. */
export function loadEdited(edits: readonly SourceEdit[]): void {
  const byUrl = Map.groupBy(edits, ({ file }) => new URL(file, ROOT).href)
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context)
      const here = byUrl.get(url)
      if (here === undefined) return loaded
      return { ...loaded, source: here.reduce(edited, String(loaded.source)) }
    },
  })
}
