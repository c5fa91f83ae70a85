import { type Expression, type Matching, parsePromql } from './parse.ts'

export type Labels = ReadonlySet<string>
type Value = Labels | 'scalar'

/**
 * Which labels a query's vector has. Throws where two vectors meet whose labels differ: without `on`, `ignoring` or an
 * aggregation no sample of the one finds its partner in the other, and the rule is silent for ever. `seriesLabels` throws for
 * a name that is not known.
 */
export function labelsOf(query: string, seriesLabels: (name: string) => Labels): Value {
  const read = (expression: Expression): Value => {
    switch (expression.kind) {
      case 'number':
        return 'scalar'
      case 'selector':
        return seriesLabels(expression.name)
      case 'aggregation':
        read(expression.of)
        return new Set(expression.by)
      case 'call':
        return ofCall(expression.name, expression.arguments.map(read))
      case 'binary':
        return joined(expression.operator, read(expression.left), read(expression.right), expression.matching)
    }
  }
  return read(parsePromql(query))
}

/** A function answers its last argument's labels; a quantile has used up `le`, a vector of a number has none. */
function ofCall(name: string, values: readonly Value[]): Value {
  const last = values.at(-1) ?? 'scalar'
  if (name === 'vector') return new Set()
  return name === 'histogram_quantile' && last !== 'scalar' ? last.difference(new Set(['le'])) : last
}

function joined(operator: string, left: Value, right: Value, matching: Matching | undefined): Value {
  if (left === 'scalar') return right
  if (right === 'scalar') return left
  const [one, other] = [left, right].map(labels => compared(labels, matching)) as [Labels, Labels]
  if (one.symmetricDifference(other).size > 0)
    throw new Error(`«${operator}» joins {${[...left].sort()}} with {${[...right].sort()}}: they never match`)
  return ['and', 'or', 'unless'].includes(operator) ? left : one
}

function compared(labels: Labels, matching: Matching | undefined): Labels {
  if (matching === undefined) return labels
  const named = new Set(matching.labels)
  return matching.how === 'on' ? labels.intersection(named) : labels.difference(named)
}
