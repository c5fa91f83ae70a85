import { readFile } from 'node:fs/promises'
import { errorLine } from '#runtime/errors.ts'
import type { Logger } from '#runtime/logger.ts'
import { type Service, service } from '#runtime/service.ts'

export interface TokenFileOptions {
  /** `MONEY_API_TOKEN_FILE`. */
  path: string
  /** What the process began with. */
  token: string | undefined
  /** Told of each new token; the calls after it carry it. */
  onToken(token: string): void
  /** What is wrong with a token, if anything is, in words that do not show it. */
  complaintOf(token: string): string | undefined
  logger: Pick<Logger, 'info' | 'warn'>
  intervalMs?: number
}

/** Asked again and again, not watched: a mounted Kubernetes secret is swapped by a symbolic link, of which no event tells. */
const INTERVAL_MS = 5000

/**
 * Takes a rotated token without a restart. A file that cannot be read or used changes nothing: the last good token goes on
 * being sent, and one line says why.
 */
export function createTokenFile(options: TokenFileOptions): Service {
  const { path, token, onToken, complaintOf, logger, intervalMs = INTERVAL_MS } = options
  let current = token
  let complaint = ''
  const complain = (why: string) => {
    if (why !== complaint) logger.warn(`MONEY_API_TOKEN_FILE: ${why}; the token from before goes on being sent`)
    complaint = why
  }
  const look = async (): Promise<void> => {
    const parsed = await readToken(path, complaintOf)
    if (!parsed.ok) return complain(parsed.why)
    complaint = ''
    if (parsed.token === current) return
    current = parsed.token
    onToken(parsed.token)
    logger.info('MONEY_API_TOKEN_FILE holds a new token: it is sent from now on')
  }
  let isLooking = false
  let timer: NodeJS.Timeout | undefined
  return service('money-token', {
    start: async () => {
      timer = setInterval(() => {
        if (isLooking) return
        isLooking = true
        void look().finally(() => {
          isLooking = false
        })
      }, intervalMs)
    },
    stop: async () => clearInterval(timer),
  })
}

type ReadToken = { ok: true; token: string } | { ok: false; why: string }

async function readToken(path: string, complaintOf: TokenFileOptions['complaintOf']): Promise<ReadToken> {
  try {
    const token = (await readFile(path, 'utf8')).trim()
    if (token === '') return { ok: false, why: 'it is empty' }
    const complaint = complaintOf(token)
    return complaint === undefined ? { ok: true, token } : { ok: false, why: `it ${complaint}` }
  } catch (error) {
    return { ok: false, why: `it cannot be read: ${(error as NodeJS.ErrnoException).code ?? errorLine(error)}` }
  }
}
