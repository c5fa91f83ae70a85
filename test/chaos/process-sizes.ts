import { readdirSync, readFileSync } from 'node:fs'
import { request } from 'undici'
import type { Child } from '#local/demo/children.ts'

/** What a process holds at a moment. */
export interface ProcessSize {
  rssMb: number
  fileDescriptors: number
  /** Of Node's event loop, without timers; -1 where its metrics are not for everybody. */
  handles: number
  timers: number
}

const SAMPLE_MS = 5000

/** Looks at processes that live through a whole run, every five seconds. */
export class ProcessSizes {
  readonly #samples = new Map<Child, ProcessSize[]>()
  readonly #timer: NodeJS.Timeout

  constructor(children: readonly Child[]) {
    for (const child of children) this.#samples.set(child, [])
    this.#timer = setInterval(() => void this.#look(), SAMPLE_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Medians of the part of the run between these shares of it, by process. */
  medians(from: number, to: number): Record<string, ProcessSize> {
    const of = (samples: readonly ProcessSize[]) => samples.slice(samples.length * from, samples.length * to)
    return Object.fromEntries([...this.#samples].map(([child, samples]) => [child.name, medianOf(of(samples))]))
  }

  async #look(): Promise<void> {
    for (const [child, samples] of this.#samples) {
      const size = await sizeOf(child).catch(() => undefined)
      if (size !== undefined) samples.push(size)
    }
  }
}

export async function sizeOf({ pid, url }: Child): Promise<ProcessSize> {
  const rssKb = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  const fileDescriptors = readdirSync(`/proc/${pid}/fd`).length
  const { statusCode, body } = await request(`${url}/metrics`)
  const text = await body.text()
  const size = { rssMb: Math.round(rssKb / 1024), fileDescriptors }
  if (statusCode !== 200) return { ...size, handles: -1, timers: -1 }
  let [handles, timers] = [0, 0]
  for (const [, type, count] of text.matchAll(/^nodejs_active_resources\{[^}]*type="(\w+)"[^}]*\} (\d+)/gm)) {
    if (type === 'Timeout') timers += Number(count)
    else handles += Number(count)
  }
  // A process that serves this page has handles: without one nothing was measured.
  if (handles === 0) throw new Error(`${url}/metrics says nothing of nodejs_active_resources`)
  return { ...size, handles, timers }
}

function medianOf(samples: readonly ProcessSize[]): ProcessSize {
  const middle = (name: keyof ProcessSize) => {
    const sorted = samples.map(sample => sample[name]).sort((one, other) => one - other)
    return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  }
  return {
    rssMb: middle('rssMb'),
    fileDescriptors: middle('fileDescriptors'),
    handles: middle('handles'),
    timers: middle('timers'),
  }
}
