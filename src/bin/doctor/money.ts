import { Agent, request } from 'undici'
import { type MoneyTlsFiles, tlsOf } from '#config/tls-files.ts'
import { lookupPath } from '#money/charge-calls.ts'
import { errorLine } from '#runtime/errors.ts'
import { type Finding, findingsOf } from './finding.ts'

export interface MoneyToExamine extends MoneyTlsFiles {
  MONEY_API_URL: string
  MONEY_API_TOKEN?: string | undefined
  MONEY_API_TIMEOUT_MS: number
}

const { ok, warning, failed, unknown } = findingsOf('money-api')
/** No target has it. */
const NOBODYS_KEY = 'VOUCHER:0'
const MAX_SHOWN = 200

/** Does the Money API answer, by a GET that changes nothing, and does it take our credentials? */
export async function examineMoneyApi(config: MoneyToExamine): Promise<Finding[]> {
  const url = config.MONEY_API_URL.replace(/\/+$/, '') + lookupPath(NOBODYS_KEY)
  const { MONEY_API_TOKEN: token, MONEY_API_TIMEOUT_MS: timeoutMs } = config
  const dispatcher = new Agent({ connect: tlsOf('MONEY_API', config) })
  try {
    const { statusCode, headers, body } = await request(url, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(timeoutMs),
      dispatcher,
    })
    const text = (await body.text()).slice(0, MAX_SHOWN)
    return [meaningOf(statusCode, text, headers.location)]
  } catch (error) {
    const isLate = (error as Error).name === 'TimeoutError'
    const todo = isLate ? 'is MONEY_API_TIMEOUT_MS too short?' : todoOf(errorLine(error))
    return [unknown('answer', isLate ? new Error(`no answer within ${timeoutMs} ms`) : error, todo)]
  } finally {
    await dispatcher.destroy()
  }
}

function todoOf(reason: string): string {
  if (/certificate|altnames/i.test(reason)) return 'correct MONEY_API_CA_FILE, or the host of MONEY_API_URL'
  // Who shows no certificate is hung up on, after the handshake.
  if (/other side closed|ECONNRESET|alert/i.test(reason))
    return 'does it want a certificate of ours? MONEY_API_CERT_FILE names it'
  return 'start the Money API, or correct MONEY_API_URL'
}

function meaningOf(status: number, text: string, location: unknown): Finding {
  if (status === 401 || status === 403)
    return failed('credentials', `it answers ${status} to a GET`, 'correct MONEY_API_TOKEN')
  if (status >= 300 && status < 400) {
    const to = typeof location === 'string' ? ' (a redirect, which is never followed)' : ''
    return failed('answer', `it answers ${status}${to}`, 'set MONEY_API_URL to where it leads')
  }
  if (/^\s*</.test(text))
    return warning('answer', `it answers ${status} with a page`, 'is the path of MONEY_API_URL right?')
  const known = `${status} to the GET of a key that nobody has`
  // Only a charge tells a Money API from a server that has no such path.
  if (status === 404) return ok('answer', `${known} (a wrong path in MONEY_API_URL would be answered so too)`)
  if ([200, 400, 422].includes(status)) return ok('answer', known)
  return failed('answer', `it answers ${status} to a GET`, 'ask those who run it')
}
