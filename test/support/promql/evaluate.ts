import { type Expression, type Matcher, type Matching, parsePromql } from './parse.ts'

/** A series as Prometheus would have stored it: seconds and values, in order; `__name__` is among its labels. */
export interface Series {
  labels: Readonly<Record<string, string>>
  points: readonly (readonly [seconds: number, value: number])[]
}

export interface Sample {
  labels: Readonly<Record<string, string>>
  value: number
}

type Value = number | Sample[]

/** Prometheus looks no further back for a sample. */
const LOOKBACK_SECONDS = 300

/** What Prometheus would answer at a moment. */
export function evaluatePromql(query: string, series: readonly Series[], atSeconds: number): Value {
  return evaluate(parsePromql(query), { series, atSeconds })
}

interface Context {
  series: readonly Series[]
  atSeconds: number
}

function evaluate(expression: Expression, context: Context): Value {
  switch (expression.kind) {
    case 'number':
      return expression.value
    case 'selector':
      return selected(expression, context).flatMap(({ labels, points }) => {
        const last = points.findLast(([seconds]) => seconds <= context.atSeconds)
        const isFresh = last !== undefined && context.atSeconds - last[0] < LOOKBACK_SECONDS
        return isFresh ? [{ labels, value: last[1] }] : []
      })
    case 'aggregation':
      return aggregated(expression.operator, expression.by, vectorOf(evaluate(expression.of, context)))
    case 'call':
      return called(expression, context)
    case 'binary':
      return combined(expression, evaluate(expression.left, context), evaluate(expression.right, context))
  }
}

function vectorOf(value: Value): Sample[] {
  if (typeof value === 'number') throw new Error('a vector was expected')
  return value
}

function selected({ name, matchers }: { name: string; matchers: readonly Matcher[] }, { series }: Context): Series[] {
  return series.filter(({ labels }) => labels.__name__ === name && matchers.every(matcher => matches(labels, matcher)))
}

function matches(labels: Readonly<Record<string, string>>, { label, operator, value }: Matcher): boolean {
  const own = labels[label] ?? ''
  const isEqual = operator.endsWith('~') ? new RegExp(`^(?:${value})$`).test(own) : own === value
  return operator.startsWith('!') ? !isEqual : isEqual
}

const only = (labels: Sample['labels'], names: readonly string[]) =>
  Object.fromEntries(names.filter(name => labels[name] !== undefined).map(name => [name, labels[name]!]))

const without = (labels: Sample['labels'], ...names: string[]) =>
  Object.fromEntries(Object.entries(labels).filter(([name]) => name !== '__name__' && !names.includes(name)))

const keyOf = (labels: Sample['labels']) => JSON.stringify(Object.entries(labels).sort())

const AGGREGATIONS: Record<string, (values: number[]) => number> = {
  sum: values => values.reduce((sum, value) => sum + value, 0),
  max: values => Math.max(...values),
  min: values => Math.min(...values),
  avg: values => values.reduce((sum, value) => sum + value, 0) / values.length,
  count: values => values.length,
}

function aggregated(operator: string, by: readonly string[], vector: readonly Sample[]): Sample[] {
  const groups = Map.groupBy(vector, ({ labels }) => keyOf(only(labels, by)))
  return [...groups.values()].map(group => ({
    labels: only(group[0]!.labels, by),
    value: (AGGREGATIONS[operator] ?? unknown(operator))(group.map(({ value }) => value)),
  }))
}

function unknown(name: string): never {
  throw new Error(`${name} is not understood`)
}

function called({ name, arguments: given }: Expression & { kind: 'call' }, context: Context): Value {
  const last = given.at(-1) ?? unknown(name)
  switch (name) {
    case 'rate':
    case 'increase': {
      if (last.kind !== 'selector' || last.rangeSeconds === undefined) return unknown(name)
      const { rangeSeconds } = last
      return selected(last, context).flatMap(({ labels, points }) => {
        const from = context.atSeconds - rangeSeconds
        const inside = points.filter(([seconds]) => seconds >= from && seconds <= context.atSeconds)
        const value = increaseOf(inside, from, context.atSeconds)
        if (value === undefined) return []
        return [{ labels: without(labels), value: name === 'rate' ? value / rangeSeconds : value }]
      })
    }
    case 'absent': {
      if (vectorOf(evaluate(last, context)).length > 0) return []
      const matchers = last.kind === 'selector' ? last.matchers.filter(({ operator }) => operator === '=') : []
      return [{ labels: Object.fromEntries(matchers.map(({ label, value }) => [label, value])), value: 1 }]
    }
    case 'vector':
      return [{ labels: {}, value: evaluate(last, context) as number }]
    case 'histogram_quantile':
      return quantiles(evaluate(given[0]!, context) as number, vectorOf(evaluate(last, context)))
    default:
      return unknown(name)
  }
}

/** Prometheus' own extrapolation: to the ends of the range, where the samples come near enough to them. */
function increaseOf(points: Series['points'], from: number, to: number): number | undefined {
  const [first, last] = [points[0], points.at(-1)]
  if (first === undefined || last === undefined || points.length < 2) return undefined
  let increase = 0
  for (const [index, [, value]] of points.entries()) {
    const before = points[index - 1]?.[1] ?? value
    increase += value < before ? value : value - before
  }
  const sampled = last[0] - first[0]
  const average = sampled / (points.length - 1)
  let [atStart, atEnd] = [first[0] - from, to - last[0]]
  const toZero = increase > 0 && first[1] >= 0 ? sampled * (first[1] / increase) : Number.POSITIVE_INFINITY
  atStart = Math.min(atStart, toZero)
  const near = average * 1.1
  const extended = sampled + (atStart < near ? atStart : average / 2) + (atEnd < near ? atEnd : average / 2)
  return increase * (extended / sampled)
}

function quantiles(quantile: number, vector: readonly Sample[]): Sample[] {
  const groups = Map.groupBy(vector, ({ labels }) => keyOf(without(labels, 'le')))
  return [...groups.values()].map(group => {
    const buckets = group.map(({ labels, value }) => ({ le: Number(labels.le!.replace('+Inf', 'Infinity')), value }))
    buckets.sort((one, other) => one.le - other.le)
    return { labels: without(group[0]!.labels, 'le'), value: quantileOf(quantile, buckets) }
  })
}

function quantileOf(quantile: number, buckets: readonly { le: number; value: number }[]): number {
  const rank = quantile * (buckets.at(-1)?.value ?? 0)
  const index = buckets.findIndex(({ value }) => value >= rank)
  const [at, before] = [buckets[index], buckets[index - 1] ?? { le: 0, value: 0 }]
  if (at === undefined || rank === 0) return Number.NaN
  if (at.le === Number.POSITIVE_INFINITY) return before.le
  return before.le + (at.le - before.le) * ((rank - before.value) / (at.value - before.value))
}

const ARITHMETIC: Record<string, (left: number, right: number) => number> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '%': (left, right) => left % right,
}
const COMPARISONS: Record<string, (left: number, right: number) => boolean> = {
  '==': (left, right) => left === right,
  '!=': (left, right) => left !== right,
  '>': (left, right) => left > right,
  '<': (left, right) => left < right,
  '>=': (left, right) => left >= right,
  '<=': (left, right) => left <= right,
}

function combined({ operator, matching }: { operator: string; matching?: Matching }, left: Value, right: Value): Value {
  if (['and', 'or', 'unless'].includes(operator)) return asSets(operator, vectorOf(left), vectorOf(right), matching)
  const compute = (one: number, other: number, kept: number): number | undefined => {
    const isTrue = COMPARISONS[operator]
    if (isTrue !== undefined) return isTrue(one, other) ? kept : undefined
    return (ARITHMETIC[operator] ?? unknown(operator))(one, other)
  }
  const sample = (labels: Sample['labels'], value: number | undefined): Sample[] =>
    value === undefined ? [] : [{ labels: COMPARISONS[operator] === undefined ? without(labels) : labels, value }]
  if (typeof left === 'number' && typeof right === 'number') return compute(left, right, 1) ?? 0
  if (typeof right === 'number')
    return vectorOf(left).flatMap(({ labels, value }) => sample(labels, compute(value, right, value)))
  if (typeof left === 'number') return right.flatMap(({ labels, value }) => sample(labels, compute(left, value, value)))
  const partners = new Map(right.map(one => [keyOf(compared(one.labels, matching)), one.value]))
  return left.flatMap(({ labels, value }) => {
    const own = compared(labels, matching)
    const partner = partners.get(keyOf(own))
    return partner === undefined ? [] : sample(matching === undefined ? labels : own, compute(value, partner, value))
  })
}

function asSets(operator: string, left: Sample[], right: Sample[], matching: Matching | undefined): Sample[] {
  const keys = (vector: Sample[]) => new Set(vector.map(({ labels }) => keyOf(compared(labels, matching))))
  const [onLeft, onRight] = [keys(left), keys(right)]
  const isIn = (one: Sample, set: Set<string>) => set.has(keyOf(compared(one.labels, matching)))
  if (operator === 'and') return left.filter(one => isIn(one, onRight))
  if (operator === 'unless') return left.filter(one => !isIn(one, onRight))
  return [...left, ...right.filter(one => !isIn(one, onLeft))]
}

function compared(labels: Sample['labels'], matching: Matching | undefined): Record<string, string> {
  if (matching === undefined) return without(labels)
  return matching.how === 'on' ? only(labels, matching.labels) : without(labels, ...matching.labels)
}
