import { parseSync, Visitor } from 'oxc-parser'

/** One small change of one file, as a careless hand would make it. */
export interface Mutant {
  file: string
  line: number
  /** A place that is run when the changed one is. */
  at: number
  /** The line as it stands, from its first letter to its last. */
  lineText: string
  /** What stood there, and what stands there instead. */
  before: string
  after: string
  /** The whole text of the file with the change made. */
  text: string
}

interface Node {
  type: string
  start: number
  end: number
}

const OPERATORS: Readonly<Record<string, string>> = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
  '+': '-',
  '-': '+',
  '*': '/',
  '&&': '||',
  '||': '&&',
}

/** Lines whose change nobody promised anything about: what is logged, how a metric or an error is worded. */
const NOT_PROMISED = /\b(logger|log)\b|#log\(|help:|new (Coded|Stream)?Error\(|assert/i

/**
 * Every mutant of a source file, in the order of the text: comparison and logic turned round, conditions fixed, calls
 * and negations left out, truth values flipped, and conditions of SQL statements left out.
 */
export function mutantsOf(file: string, source: string): Mutant[] {
  const edits: { start: number; end: number; after: string; at?: number }[] = []
  const edit = (node: Node, after: string) => edits.push({ start: node.start, end: node.end, after })
  const operator = (left: Node, right: Node, sign: string) => {
    const other = OPERATORS[sign]
    const at = source.indexOf(sign, left.end)
    if (other === undefined || at < 0 || at >= right.start) return
    edits.push({ start: at, end: at + sign.length, after: other, at: left.start })
  }
  const condition = (test: Node) => {
    edit(test, 'true')
    edit(test, 'false')
  }
  new Visitor({
    BinaryExpression: ({ left, right, operator: sign }) => operator(left, right, sign),
    LogicalExpression: ({ left, right, operator: sign }) => operator(left, right, sign),
    IfStatement: ({ test }) => condition(test),
    ConditionalExpression: ({ test }) => condition(test),
    UnaryExpression: node => {
      if (node.operator === '!') edit(node, source.slice(node.argument.start, node.argument.end))
    },
    Literal: node => {
      if (typeof node.value === 'boolean') edit(node, String(!node.value))
    },
    ExpressionStatement: node => {
      const call = node.expression.type === 'AwaitExpression' ? node.expression.argument : node.expression
      if (call.type === 'CallExpression' || call.type === 'AssignmentExpression') edit(node, ';')
    },
    TaggedTemplateExpression: ({ tag, quasi }) => {
      if (source.slice(tag.start, tag.end).startsWith('sql')) edits.push(...conditionsOf(source, quasi))
    },
  }).visit(parseSync(file, source).program)
  return edits
    .map(({ start, end, after, at = start }) => ({
      file,
      at,
      line: source.slice(0, start).split('\n').length,
      before: source.slice(start, end),
      after,
      text: source.slice(0, start) + after + source.slice(end),
      lineText: lineAround(source, start).trim(),
    }))
    .filter(({ lineText }) => !NOT_PROMISED.test(lineText))
    .sort((one, other) => one.line - other.line)
}

/** Lines of a statement that narrow what it finds. */
function conditionsOf(source: string, { start, end }: Node) {
  const edits = []
  for (const match of source.slice(start, end).matchAll(/^[ \t]*and [^\n`]*(?=[\n`])/gm)) {
    const [text] = match
    const depth = (text.match(/[({]/g)?.length ?? 0) - (text.match(/[)}]/g)?.length ?? 0)
    if (depth === 0) edits.push({ start: start + match.index, end: start + match.index + text.length, after: '' })
  }
  return edits
}

function lineAround(source: string, at: number): string {
  const from = source.lastIndexOf('\n', at - 1) + 1
  const to = source.indexOf('\n', at)
  return source.slice(from, to < 0 ? undefined : to)
}

/** `count` of them by seed, each as likely as the others (mulberry32). */
export function drawBySeed<T>(all: readonly T[], count: number, seed: number): T[] {
  let state = seed >>> 0
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const rest = [...all]
  const drawn: T[] = []
  while (drawn.length < count && rest.length > 0) drawn.push(...rest.splice(Math.floor(random() * rest.length), 1))
  return drawn
}
