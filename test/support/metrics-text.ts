import type { Series } from './promql/evaluate.ts'

/** What a process exposes, as series of one sample each, taken at second 0. */
export function seriesOf(text: string): Series[] {
  return [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels = '', value]) => ({
    labels: {
      __name__: name!,
      ...Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, own]) => [label, own!])),
    },
    points: [[0, Number(value)]],
  }))
}
