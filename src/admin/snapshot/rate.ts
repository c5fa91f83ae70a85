/** How many gifts of a promotion were done at a moment, in ms of a clock that only goes on. */
export interface Sample {
  atMs: number
  done: number
}

export interface Estimate {
  /** Gifts a second over the last ten seconds. */
  perSecond: number
  /** Seconds until the rest is done, if it goes on as in the last minute; null while nothing moves or nothing is left. */
  eta: { likely: number; soonest: number; latest: number } | null
}

export const WINDOW_MS = 60_000
const RATE_MS = 10_000
/** A share of the minute's ten-second rates: the range leaves out the fastest and the slowest of them. */
const TRIM = 0.1
const MIN_PIECES = 3

/** Rate and time left, from samples of the last minute in order. The range is what the rates of that minute allow. */
export function estimate(samples: readonly Sample[], remaining: number): Estimate {
  const perSecond = rateOver(samples, RATE_MS)
  const overall = rateOver(samples, WINDOW_MS)
  if (remaining <= 0 || overall <= 0) return { perSecond, eta: null }
  const rates = pieceRates(samples)
    .filter(rate => rate > 0)
    .sort((one, other) => one - other)
  const cut = rates.length >= 10 ? Math.floor(rates.length * TRIM) : 0
  const inner = rates.slice(cut, rates.length - cut)
  const [slowest, fastest] = inner.length >= MIN_PIECES ? [inner[0], inner.at(-1)] : [overall / 2, overall * 2]
  const seconds = (rate: number) => Math.ceil(remaining / rate)
  const likely = seconds(overall)
  return {
    perSecond,
    eta: {
      likely,
      soonest: Math.min(likely, seconds(fastest ?? overall)),
      latest: Math.max(likely, seconds(slowest ?? overall)),
    },
  }
}

function rateOver(samples: readonly Sample[], spanMs: number): number {
  const last = samples.at(-1)
  const first = samples.find(({ atMs }) => last !== undefined && last.atMs - atMs <= spanMs)
  if (last === undefined || first === undefined || last.atMs <= first.atMs) return 0
  return Math.max(0, ((last.done - first.done) * 1000) / (last.atMs - first.atMs))
}

/** The rate of each ten seconds of the window, by every sample. */
function pieceRates(samples: readonly Sample[]): number[] {
  const rates: number[] = []
  let from = 0
  for (const sample of samples) {
    while ((samples[from] as Sample).atMs < sample.atMs - RATE_MS) from += 1
    const start = samples[from] as Sample
    if (sample.atMs - start.atMs >= RATE_MS / 2) {
      rates.push(((sample.done - start.done) * 1000) / (sample.atMs - start.atMs))
    }
  }
  return rates
}
