import { createInterface } from 'node:readline'
import { request } from 'undici'

export interface LedgerCharge {
  targetId: string
  amount: string
  transactionKey: string
}

interface LedgerRequest {
  method: 'POST' | 'GET'
  key: string
  outcome: string
}

/** What the Money API was asked, counted. */
export interface Requests {
  posts: number
  gets: number
  /** Keys that were posted. */
  keys: number
  /** POSTs that were spoiled or not let in: what the Money API did to us. */
  spoilt: number
}

/** Outcomes that say no final word about a gift. */
const NO_WORD = /^(fault:|down|instead|unauthorized|forbidden)/

export async function readRequests(moneyUrl: string): Promise<Requests> {
  const keys = new Set<string>()
  const counted = { posts: 0, gets: 0, spoilt: 0 }
  for await (const { method, key, outcome } of lines<LedgerRequest>(`${moneyUrl}/ledger/requests`)) {
    if (method === 'GET') counted.gets += 1
    else {
      counted.posts += 1
      keys.add(key)
      if (NO_WORD.test(outcome)) counted.spoilt += 1
    }
  }
  return { ...counted, keys: keys.size }
}

export async function countCharges(moneyUrl: string): Promise<number> {
  const { body } = await request(`${moneyUrl}/ledger/summary`)
  return ((await body.json()) as { charges: number }).charges
}

export function charges(moneyUrl: string, promotionId: string): AsyncGenerator<LedgerCharge> {
  return lines(`${moneyUrl}/ledger/charges?promotionId=${promotionId}`)
}

async function* lines<T>(url: string): AsyncGenerator<T> {
  const { body } = await request(url)
  for await (const line of createInterface({ input: body, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line !== '') yield JSON.parse(line) as T
  }
}
