import { readFileSync } from 'node:fs'
import { fromRoot, listFiles } from './source-files.ts'

/** A word that names a thing by docs/glossary.md, and those that are left out for it. */
export interface Choice {
  say: string
  /** Matched in a line whose names are taken apart: `lineOfInserts` is «line of inserts». */
  not: RegExp
  /** Parts of a line that are right all the same: a public name, a table, another meaning. */
  unless?: RegExp
}

const STARTS = /(?:^\W*|[.;:] )/.source

export const CHOICES: readonly Choice[] = [
  { say: 'leased, blocked or paused', not: /\bheld\b/, unless: /\bheld (to|by `test|against)\b/ },
  { say: 'in flight', not: /\b(in ([\w'’]+ ){0,2}hands|in hand|at work)\b/ },
  { say: 'renew', not: /\b(beat|last touched|touche?[sd]? (an |the |its )?(entry|entries|lease))\b/ },
  { say: 'backlog, or who waits', not: /\bwhat waits\b/ },
  { say: 'orphaned', not: /\bleft behind\b/ },
  { say: 'dead letter', not: /\bbur(y|ied|ies)\b/ },
  { say: 'own pending entries to scan, stale entries', not: /\b(owing|is losing|loses? track)\b/ },
  { say: 'bottleneck, or slows down', not: /\b(hold|holds|held|holding) ups?\b/ },
  { say: 'operations', not: /\bsteer(s|ed|ing)?\b/ },
  {
    say: 'follow status, or check unknown',
    not: /\breconcil\w*/,
    // Names of the CLI, the API and its pages: others rely on them.
    unless:
      /reconcile[-\s]?unknown|reconcileCommand|promostream reconcile|[`'.]reconcile\b|^\s*reconcile:|\(reconcile\)|commands\/reconcile\.ts/i,
  },
  { say: 'discrepancy', not: /\b(offenders?|accus(e|es|ed|ing)|stray)\b/ },
  { say: 'activity log', not: /\badmin audit\b/, unless: /admin_audit|-admin-audit|AdminAudit\b/ },
  { say: 'promotion lock', not: /\bline (of (inserts|changes)|before a promotion)\b/ },
  { say: 'lazy', not: /\bhasty\b/ },
  {
    say: 'returns, or responds',
    not: new RegExp(`${STARTS}answers (how|whether|the|what|like|once|in their|0|1|it|also)\\b`),
  },
  {
    say: 'creates',
    not: new RegExp(
      `${STARTS}makes (an?|the|its) (new )?(group|stream|topic|row|job|client|context|promotion|table|queue|file|folder)s?\\b`,
    ),
  },
  { say: 'keeps', not: /\blets? (it |them )?lie\b/ },
]

/** History may call things as they were called; this table has to name what it leaves out. */
const LEFT_ALONE = /^CHANGELOG\.md$|^test\/architecture\/words/
const READ = [
  '*.md',
  '{src,workers,queues,test,docs,docker,tools,packages,examples}/**/*.{ts,cjs,mjs,js,css,md,yaml,json,sh}',
]

/** Left-out words in a text, as lines for a person. */
export function leftOutWords(path: string, text: string): string[] {
  return [path, ...text.split('\n')].flatMap((line, index) =>
    CHOICES.filter(choice => isLeftOut(line, choice)).map(
      ({ say, not }) => `${path}:${index} «${not.exec(words(line))?.[0].trim()}»: say ${say}`,
    ),
  )
}

const isLeftOut = (line: string, { not, unless }: Choice) =>
  not.test(words(line)) && (unless === undefined || not.test(words(line.replace(new RegExp(unless, 'gi'), ''))))

/** Names taken apart, all in small letters; the marks of a sentence stay. */
function words(line: string): string {
  return line
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/(\w)[-_](?=\w)/g, '$1 ')
    .toLowerCase()
}

/** Everything that people read: sources, tests, docs, pages, dashboards. */
export function findLeftOutWords(): string[] {
  return listFiles(READ)
    .filter(path => !LEFT_ALONE.test(path))
    .flatMap(path => leftOutWords(path, readFileSync(fromRoot(path), 'utf8')))
}
