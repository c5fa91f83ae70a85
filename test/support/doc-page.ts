import { readFileSync } from 'node:fs'

/** A page of the documentation, so that tests can hold it to the code. */
export class DocPage {
  readonly path: string
  readonly text: string

  constructor(path: string) {
    this.path = path
    this.text = readFileSync(path, 'utf8')
  }

  /** What stands below a heading, up to the next one of its level or above. */
  section(heading: string): string {
    const lines = this.text.split('\n')
    const from = lines.findIndex(line => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading)
    if (from < 0) throw new Error(`${this.path} has no heading «${heading}»`)
    const level = /^#+/.exec(lines[from]!)![0].length
    const to = lines.findIndex((line, index) => index > from && new RegExp(`^#{1,${level}} `).test(line))
    return lines.slice(from + 1, to < 0 ? undefined : to).join('\n')
  }

  /** The rows of the first table that has this header, on the page or below a heading; cells as they are written. */
  table(header: string, heading?: string): string[][] {
    const lines = (heading === undefined ? this.text : this.section(heading)).split('\n')
    const from = lines.indexOf(header)
    if (from < 0) throw new Error(`${this.path} has no table «${header}»`)
    const end = lines.findIndex((line, index) => index > from && !line.startsWith('|'))
    return lines.slice(from + 2, end < 0 ? undefined : end).map(line =>
      line
        .replace(/^\||\|$/g, '')
        .split('|')
        .map(cell => cell.trim()),
    )
  }

  /** The JSON that stands in blocks marked «```json NAME», as text. */
  example(name: string): string {
    const block = new RegExp(`\`\`\`json ${name}\\n([\\s\\S]*?)\`\`\``).exec(this.text)
    if (block === null) throw new Error(`${this.path} has no example «${name}»`)
    return block[1]!.trim()
  }

  get exampleNames(): string[] {
    return [...this.text.matchAll(/^```json ?(.*)$/gm)].map(([, name]) => name!)
  }
}

/** What stands in backticks. */
export function codeIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!)
}
