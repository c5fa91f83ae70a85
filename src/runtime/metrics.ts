import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client'

interface LabeledValue<Label extends string> {
  labels: Record<Label, string>
  value: number
}

/** What a process counts, in Prometheus' terms. Names are in base units: seconds, bytes, totals. */
export interface Metrics {
  readonly registry: Registry
  counter<Label extends string>(name: string, help: string, labels?: readonly Label[]): Counter<Label>
  histogram<Label extends string>(
    name: string,
    help: string,
    bucketsSeconds: number[],
    labels?: readonly Label[],
  ): Histogram<Label>
  /** A value read when somebody asks for it. */
  gauge(name: string, help: string, read: () => number): void
  /** The same with labels; what is not read again is gone. */
  labeledGauge<Label extends string>(
    name: string,
    help: string,
    labels: readonly Label[],
    read: () => readonly LabeledValue<Label>[] | Promise<readonly LabeledValue<Label>[]>,
  ): void
}

const EVENT_LOOP_PRECISION_MS = 100
const EVENT_LOOP_USE_INTERVAL_MS = 5000

export function createMetrics(processName: string): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels({ process: processName })
  // Their timers wake an idle process as often.
  collectDefaultMetrics({
    register: registry,
    eventLoopMonitoringPrecision: EVENT_LOOP_PRECISION_MS,
    eventLoopUtilizationTimeout: EVENT_LOOP_USE_INTERVAL_MS,
  })
  const registers = [registry]
  return {
    registry,
    counter: (name, help, labels = []) => new Counter({ name, help, labelNames: [...labels], registers }),
    histogram: (name, help, buckets, labels = []) =>
      new Histogram({ name, help, buckets, labelNames: [...labels], registers }),
    gauge: (name, help, read) => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read())
        },
      })
    },
    labeledGauge: (name, help, labels, read) => {
      new Gauge<string>({
        name,
        help,
        labelNames: [...labels],
        registers,
        async collect() {
          const values = await read()
          this.reset()
          for (const { labels: of, value } of values) this.set(of, value)
        },
      })
    },
  }
}
