import cliProgress from 'cli-progress'

// Node does not find all of its names by a named import.
const { Format, Presets, SingleBar } = cliProgress

export interface ProgressBar {
  update(done: number): void
  stop(): void
}

const PLAIN_INTERVAL_MS = 2000

/** Done, rate and ETA: a bar on a terminal, a line every two seconds elsewhere; always on stderr. */
export function startProgress(total: number, verb = 'paid'): ProgressBar {
  return process.stderr.isTTY ? barProgress(total, verb) : lineProgress(total, verb)
}

function barProgress(total: number, verb: string): ProgressBar {
  const startedAt = performance.now()
  const bar = new SingleBar(
    {
      format: `${verb} {bar} {percentage}%  {value}/{total}  {rate}/s  ETA {eta_formatted}`,
      stream: process.stderr,
      hideCursor: true,
      etaBuffer: 20,
      // Before anything is done the time left is no number.
      formatTime: (seconds, ...how) => (Number.isFinite(seconds) ? Format.TimeFormat(seconds, ...how) : '?'),
    },
    Presets.shades_classic,
  )
  bar.start(total, 0, { rate: 0 })
  return {
    update: done => bar.update(done, { rate: rateOf(done, startedAt) }),
    stop: () => bar.stop(),
  }
}

function lineProgress(total: number, verb: string): ProgressBar {
  const startedAt = performance.now()
  let lastLineAt = 0
  let lastDone = 0
  const print = (done: number) => {
    const rate = rateOf(done, startedAt)
    const eta = rate === 0 ? '?' : `${Math.ceil((total - done) / rate)}s`
    process.stderr.write(`${verb} ${done}/${total}  ${rate}/s  ETA ${eta}\n`)
  }
  return {
    update: done => {
      lastDone = done
      if (performance.now() - lastLineAt < PLAIN_INTERVAL_MS) return
      lastLineAt = performance.now()
      print(done)
    },
    stop: () => print(lastDone),
  }
}

function rateOf(done: number, startedAt: number): number {
  return Math.round(done / Math.max(0.001, (performance.now() - startedAt) / 1000))
}
