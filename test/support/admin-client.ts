import { randomBytes, scryptSync } from 'node:crypto'
import type { Child } from '#local/demo/children.ts'

export const PASSWORDS = { vera: 'canary-viewer-password', otto: 'canary-operator-password' } as const

/** The cheapest hash that a setting may have: a sixth of what `hash-password` makes. */
const COST = { N: 2 ** 14, r: 8, p: 1 } as const

function cheapHash(password: string): string {
  const salt = randomBytes(16)
  const key = scryptSync(password, salt, 32, COST)
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64url'), key.toString('base64url')].join('.')
}

/** Two users for an admin under test. */
export const adminUsers = (): string =>
  `vera:viewer:${cheapHash(PASSWORDS.vera)},otto:operator:${cheapHash(PASSWORDS.otto)}`

interface Answer {
  status: number
  headers: Headers
  text: string
  json: Record<string, unknown>
}

interface Asked {
  method?: string
  body?: unknown
  headers?: Record<string, string>
}

/** The admin as a program sees it, by HTTP Basic, by session, or as nobody. */
export class AdminClient {
  readonly url: string
  /** Whom a trusted proxy says that it is; limits count by address. */
  readonly from: Readonly<Record<string, string>>

  constructor(child: Pick<Child, 'url'>, address?: string) {
    this.url = child.url
    this.from = address === undefined ? {} : { 'x-forwarded-for': address }
  }

  async ask(path: string, { method = 'GET', body, headers = {} }: Asked = {}): Promise<Answer> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      redirect: 'manual',
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...this.from, ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') === true
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson && text !== '' ? JSON.parse(text) : {},
    }
  }

  /** As a program of that user. */
  as(user: keyof typeof PASSWORDS) {
    const authorization = `Basic ${Buffer.from(`${user}:${PASSWORDS[user]}`).toString('base64')}`
    return (path: string, asked: Asked = {}) =>
      this.ask(path, { ...asked, headers: { authorization, ...asked.headers } })
  }

  /** Logs in; returns what a browser holds afterwards. */
  async login(user: keyof typeof PASSWORDS): Promise<{ cookie: string; token: string }> {
    const answer = await this.ask('/login', { method: 'POST', body: { user, password: PASSWORDS[user] } })
    if (answer.status !== 200) throw new Error(`login: ${answer.status} ${answer.text}`)
    const cookie = answer.headers.getSetCookie().map(line => line.split(';')[0])
    return { cookie: cookie.join('; '), token: String(answer.json.csrfToken) }
  }
}
