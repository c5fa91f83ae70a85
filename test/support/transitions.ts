import { codeIn, DocPage } from './doc-page.ts'

const page = new DocPage('docs/state-machines.md')

/** What docs/state-machines.md says of one machine. */
export interface Transitions {
  /** `from → to`, by the table. */
  listed: string[]
  /** The same, by the diagram. */
  drawn: string[]
  allows(from: string, to: string): boolean
  /** What makes it, as far as it stands in backticks. */
  by(from: string, to: string): string[]
}

export const arrow = (from: string, to: string) => `${from} → ${to}`

export function transitionsOf(heading: string): Transitions {
  const rows = page.table('| from | to | by |', heading)
  const reasons = new Map(rows.map(([from, to, by]) => [arrow(from!, to!), codeIn(by!)]))
  const lines = page.section(heading).matchAll(/^ {2}([\w-]+) --> ([\w-]+)/gm)
  return {
    listed: [...reasons.keys()].sort(),
    drawn: [...lines].map(([, from, to]) => arrow(from!, to!)).sort(),
    allows: (from, to) => reasons.has(arrow(from, to)),
    by: (from, to) => reasons.get(arrow(from, to)) ?? [],
  }
}
