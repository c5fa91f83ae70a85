/** Which labels a PromQL expression's vector has; as much of the language as the dashboard and the alert rules use. */

export type Labels = ReadonlySet<string>
type Value = Labels | 'scalar'

/** From the loosest to the tightest. */
const OPERATORS = [['or'], ['and', 'unless'], ['==', '!=', '<=', '>=', '<', '>'], ['+', '-'], ['*', '/', '%']]
const AGGREGATIONS = new Set(['sum', 'max', 'min', 'avg', 'count'])
const TOKEN = /\s+|\{[^}]*\}|\[[^\]]*\]|[a-zA-Z_]\w*|\d+(?:\.\d+)?|[=!<>]=|[-+*/%<>(),]/y

/**
 * Throws where two vectors meet whose labels differ: without `on`, `ignoring` or an aggregation no sample of the one finds
 * its partner in the other, and the rule is silent for ever. `seriesLabels` throws for a name that is not known.
 */
export function labelsOf(query: string, seriesLabels: (name: string) => Labels): Value {
  const parser = new Parser(tokensOf(query), seriesLabels)
  const value = parser.binary(0)
  if (parser.next !== undefined) throw new Error(`${query}: not understood from ${parser.next}`)
  return value
}

function tokensOf(query: string): string[] {
  const tokens: string[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < query.length) {
    const [token] = TOKEN.exec(query) ?? []
    if (token === undefined) throw new Error(`${query}: not understood`)
    if (token.trim() !== '') tokens.push(token)
  }
  return tokens
}

class Parser {
  readonly #tokens: string[]
  readonly #seriesLabels: (name: string) => Labels

  constructor(tokens: string[], seriesLabels: (name: string) => Labels) {
    this.#tokens = tokens
    this.#seriesLabels = seriesLabels
  }

  get next(): string | undefined {
    return this.#tokens[0]
  }

  binary(level: number): Value {
    const operators = OPERATORS[level]
    if (operators === undefined) return this.#operand()
    let left = this.binary(level + 1)
    while (this.next !== undefined && operators.includes(this.next)) {
      const operator = this.#take()
      const matching = this.#matching()
      left = joined(operator, left, this.binary(level + 1), matching)
    }
    return left
  }

  #operand(): Value {
    const token = this.#take()
    if (/^\d/.test(token)) return 'scalar'
    if (token === '(') return this.#closed(this.binary(0))
    if (AGGREGATIONS.has(token)) return this.#aggregation()
    if (this.next === '(') return this.#call(token)
    const labels = this.#seriesLabels(token)
    while (this.next?.startsWith('{') || this.next?.startsWith('[')) this.#take()
    return labels
  }

  #aggregation(): Value {
    const by = this.next === 'by' ? this.#labelList() : new Set<string>()
    this.#take('(')
    this.#closed(this.binary(0))
    return by
  }

  /** A function answers its last argument's labels; a quantile has used up `le`. */
  #call(name: string): Value {
    this.#take('(')
    let last = this.binary(0)
    while (this.next === ',') {
      this.#take()
      last = this.binary(0)
    }
    this.#closed(last)
    return name === 'histogram_quantile' && last !== 'scalar' ? last.difference(new Set(['le'])) : last
  }

  #matching(): { how: string; labels: Labels } | undefined {
    return this.next === 'on' || this.next === 'ignoring' ? { how: this.next, labels: this.#labelList() } : undefined
  }

  #labelList(): Labels {
    this.#take()
    this.#take('(')
    const labels = new Set<string>()
    while (this.next !== ')') labels.add(this.#take())
    this.#take(')')
    return labels.difference(new Set([',']))
  }

  #closed(value: Value): Value {
    this.#take(')')
    return value
  }

  #take(expected?: string): string {
    const token = this.#tokens.shift()
    if (token === undefined || (expected !== undefined && token !== expected))
      throw new Error(`${token} where ${expected ?? 'more'} was expected`)
    return token
  }
}

function joined(
  operator: string,
  left: Value,
  right: Value,
  matching: { how: string; labels: Labels } | undefined,
): Value {
  if (left === 'scalar') return right
  if (right === 'scalar') return left
  const [one, other] = [left, right].map(labels => compared(labels, matching)) as [Labels, Labels]
  if (one.symmetricDifference(other).size > 0)
    throw new Error(`«${operator}» joins {${[...left].sort()}} with {${[...right].sort()}}: they never match`)
  return ['and', 'or', 'unless'].includes(operator) ? left : one
}

function compared(labels: Labels, matching: { how: string; labels: Labels } | undefined): Labels {
  if (matching === undefined) return labels
  return matching.how === 'on' ? labels.intersection(matching.labels) : labels.difference(matching.labels)
}
