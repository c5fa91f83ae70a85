import { parser } from '@prometheus-io/lezer-promql'

/** A PromQL expression, as much of the language as the dashboard, the alert rules and the autoscaler use. */
export type Expression =
  | { kind: 'number'; value: number }
  | { kind: 'selector'; name: string; matchers: readonly Matcher[]; rangeSeconds?: number }
  | { kind: 'aggregation'; operator: string; by: readonly string[]; of: Expression }
  | { kind: 'call'; name: string; arguments: readonly Expression[] }
  | { kind: 'binary'; operator: string; left: Expression; right: Expression; matching?: Matching }

export interface Matcher {
  label: string
  operator: string
  value: string
}

export interface Matching {
  how: 'on' | 'ignoring'
  labels: readonly string[]
}

type Node = ReturnType<typeof parser.parse>['topNode']

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const

/** @throws Error that names the query: what Prometheus would refuse, and what the tests do not understand. */
export function parsePromql(query: string): Expression {
  const tree = parser.parse(query)
  const text = ({ from, to }: Node) => query.slice(from, to)
  const refuse = (node: Node): never => {
    throw new Error(`${query}: «${text(node)}» is not understood`)
  }
  tree.iterate({ enter: ({ node }) => void (node.type.isError && refuse(node)) })
  const children = (node: Node): Node[] => {
    const all: Node[] = []
    for (let child = node.firstChild; child !== null; child = child.nextSibling) all.push(child)
    return all
  }
  const labelsIn = (node: Node) => node.getChildren('LabelName').map(text)
  const readers: Record<string, (node: Node) => Expression> = {
    PromQL: node => read(node.firstChild!),
    ParenExpr: node => read(node.firstChild!),
    NumberDurationLiteral: node => ({ kind: 'number', value: Number(text(node)) }),
    VectorSelector: node => ({
      kind: 'selector',
      name: text(node.getChild('Identifier') ?? refuse(node)),
      matchers: (node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []).map(matcher => {
        const [label, operator, value] = children(matcher).map(text)
        return { label: label!, operator: operator!, value: JSON.parse(value!) as string }
      }),
    }),
    MatrixSelector: node => {
      const [of, range] = children(node)
      const [, count, unit] = /^(\d+)([smhd])$/.exec(text(range!)) ?? refuse(range!)
      const selector = read(of!)
      const rangeSeconds = Number(count) * SECONDS[unit as keyof typeof SECONDS]
      return selector.kind === 'selector' ? { ...selector, rangeSeconds } : refuse(node)
    },
    AggregateExpr: node => ({
      kind: 'aggregation',
      operator: text(node.getChild('AggregateOp')!),
      by: labelsIn(node.getChild('AggregateModifier')?.getChild('GroupingLabels') ?? node),
      of: read(node.getChild('FunctionCallBody')!.firstChild!),
    }),
    FunctionCall: node => ({
      kind: 'call',
      name: text(node.getChild('FunctionIdentifier')!),
      arguments: children(node.getChild('FunctionCallBody')!).map(read),
    }),
    BinaryExpr: node => {
      const inside = children(node)
      const clause = node.getChild('MatchingModifierClause')
      const matching = clause === null ? {} : { matching: matchingOf(clause) }
      return {
        kind: 'binary',
        operator: text(inside[1]!),
        left: read(inside[0]!),
        right: read(inside.at(-1)!),
        ...matching,
      }
    },
  }
  const matchingOf = (clause: Node): Matching => ({
    how: clause.getChild('On') === null ? 'ignoring' : 'on',
    labels: labelsIn(clause.getChild('GroupingLabels') ?? clause),
  })
  const read = (node: Node): Expression => (readers[node.name] ?? refuse)(node)
  return read(tree.topNode)
}
