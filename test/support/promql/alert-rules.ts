import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { evaluatePromql, type Sample, type Series } from './evaluate.ts'

export interface AlertRule {
  alert: string
  expr: string
  for?: string
  labels: Record<string, string>
  annotations: { summary: string; runbook: string }
}

export function readAlertRules(): AlertRule[] {
  const file = parse(readFileSync('docker/prometheus/alerts.yaml', 'utf8')) as { groups: { rules: AlertRule[] }[] }
  return file.groups.flatMap(({ rules }) => rules)
}

const STEP_SECONDS = 10

/** `90s`, `5m`. */
export function secondsOf(text: string): number {
  return Number.parseInt(text, 10) * (text.endsWith('m') ? 60 : 1)
}

/** A series in promtool's notation: `name{label="value"}`, and samples like `1x3 0+10x5 _x4`, one each ten seconds. */
export function recordedSeries(name: string, samples: string): Series {
  const [, metric = '', labels = ''] = /^(\w+)\{(.*)\}$/.exec(name) ?? []
  const values = samples.split(' ').flatMap(part => {
    const [, first = '', step = '0', times = ''] = /^(_|-?[\d.]+)([+-][\d.]+)?x(\d+)$/.exec(part) ?? []
    if (times === '') throw new Error(`${samples}: ${part} is not understood`)
    if (first === '_') return Array.from({ length: Number(times) }, () => undefined)
    return Array.from({ length: Number(times) + 1 }, (_, index) => Number(first) + index * Number(step))
  })
  return {
    labels: {
      __name__: metric,
      ...Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, value]) => [label, value!])),
    },
    points: values.flatMap((value, index) => (value === undefined ? [] : [[index * STEP_SECONDS, value] as const])),
  }
}

/** Labels of those that fire at a moment: what the query found at each step since `for` has gone by. */
export function firingAt(rule: AlertRule, series: readonly Series[], atSeconds: number): Record<string, string>[] {
  const since = new Map<string, number>()
  for (let seconds = 0; seconds <= atSeconds; seconds += STEP_SECONDS) {
    const found = new Set((evaluatePromql(rule.expr, series, seconds) as Sample[]).map(keyOf))
    for (const key of [...since.keys()].filter(one => !found.has(one))) since.delete(key)
    for (const key of found) if (!since.has(key)) since.set(key, seconds)
  }
  const isDue = ([, seconds]: [string, number]) => atSeconds - seconds >= secondsOf(rule.for ?? '0s')
  return [...since].filter(isDue).map(([key]) => Object.fromEntries(JSON.parse(key)) as Record<string, string>)
}

function keyOf({ labels: { __name__, ...labels } }: Sample): string {
  return JSON.stringify(Object.entries(labels).sort())
}

/** What a person would read. */
export function renderedAnnotations(
  { annotations }: AlertRule,
  labels: Record<string, string>,
): Record<string, string> {
  const render = (text: string) => text.replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, name: string) => labels[name] ?? '')
  return Object.fromEntries(Object.entries(annotations).map(([name, text]) => [name, render(text)]))
}
