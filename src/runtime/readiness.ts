import { errorLine } from './errors.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import { createTimeLimit } from './time-limit.ts'

/** A named question whose rejection means «not ready». */
export interface ReadinessCheck {
  name: string
  check(): Promise<void> | void
  /**
   * Its rejections are words of ours that hold no address: whoever asks may read them. Of any other check strangers learn
   * that it failed, and the log says why.
   */
  saysWhy?: boolean
}

export interface Readiness {
  ready: boolean
  /** Name of each check → `ok`, or why not. */
  checks: Record<string, string>
}

export interface ReadinessOptions {
  checks: readonly ReadinessCheck[]
  logger: Pick<Logger, 'warn' | 'info'>
  /** Where `promostream_ready` is exposed; it shows the latest answer, so whoever scrapes reads first. */
  metrics?: Pick<Metrics, 'labeledGauge'>
  /** One check may take this long, in ms. */
  checkTimeoutMs?: number
  /** An answer is given again for this long, in ms: strangers may ask, and shall not load the database by it. */
  cacheMs?: number
}

interface Answer {
  name: string
  /** For everybody. */
  reason: string
  /** For the log. */
  detail: string
}

/** One check may take this long, in ms, if it is not told otherwise. */
export const CHECK_TIMEOUT_MS = 2000
const CACHE_MS = 1000
const OK = 'ok'

/** Asks all checks at once; one that does not answer in time has failed, and is not asked again before it has ended. */
export function createReadiness({ checks, logger, ...options }: ReadinessOptions): { read(): Promise<Readiness> } {
  const limited = checks.map(check => ({
    ...check,
    limit: createTimeLimit(check.name, options.checkTimeoutMs ?? CHECK_TIMEOUT_MS),
  }))
  const ask = async ({ name, check, saysWhy, limit }: (typeof limited)[number]): Promise<Answer> => {
    try {
      await limit(async () => check())
      return { name, reason: OK, detail: OK }
    } catch (error) {
      const detail = errorLine(error)
      return { name, reason: saysWhy === true && !showsAddress(detail) ? detail : 'does not answer', detail }
    }
  }
  const tell = createTeller(logger)
  let latest: Promise<Readiness> | undefined
  let isAsking = false
  let answeredAtMs = 0
  let checked: Readiness['checks'] = {}
  options.metrics?.labeledGauge('promostream_ready', 'Is this part of the process ready: 1, else 0', ['check'], () =>
    Object.entries(checked).map(([check, reason]) => ({ labels: { check }, value: Number(reason === OK) })),
  )
  const refresh = async (): Promise<Readiness> => {
    isAsking = true
    try {
      const answers = await Promise.all(limited.map(ask))
      tell(answers)
      checked = Object.fromEntries(answers.map(({ name, reason }) => [name, reason]))
      return { ready: answers.every(({ reason }) => reason === OK), checks: checked }
    } finally {
      isAsking = false
      answeredAtMs = performance.now()
    }
  }
  return {
    read: () => {
      const isFresh = isAsking || performance.now() - answeredAtMs < (options.cacheMs ?? CACHE_MS)
      if (latest === undefined || !isFresh) latest = refresh()
      return latest
    },
  }
}

/** An address, a port, a URL, or a user at a host. */
function showsAddress(text: string): boolean {
  return /:\/\/|\S@\S|\d+\.\d+\.\d+\.\d+|\w:\d{2,5}\b|::/.test(text)
}

/** A line when what is not ready has changed, not one for each time that somebody asks. */
function createTeller(logger: ReadinessOptions['logger']) {
  let told = ''
  return (answers: readonly Answer[]): void => {
    const failed = answers.filter(({ reason }) => reason !== OK)
    const names = failed.map(({ name }) => name).join(', ')
    if (names === told) return
    told = names
    if (failed.length === 0) logger.info('ready')
    // While it starts everything is away; the start itself says what it cannot do without.
    if (failed.length === 0 || failed.some(({ name }) => name === 'started')) return
    const why = Object.fromEntries(failed.map(({ name, detail }) => [name, detail]))
    logger.warn({ notReady: why }, `not ready: ${failed.map(({ name, detail }) => `${name} (${detail})`).join(', ')}`)
  }
}
