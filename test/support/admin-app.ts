import type { FastifyPluginAsync } from 'fastify'
import { type AdminAppOptions, createAdminApp } from '#admin/app.ts'
import { loginRoutes } from '#admin/routes/login.routes.ts'
import type { Change } from '#database/activity-log.ts'
import { createLogger } from '#runtime/logger.ts'

const PEOPLE = {
  vera: { name: 'vera', role: 'viewer' },
  otto: { name: 'otto', role: 'operator' },
} as const

export type Person = keyof typeof PEOPLE

/** The password of everybody. */
export const PASSWORD = 'right'

/**
 * The admin's app in this process, without servers, whose people are `vera` (viewer) and `otto` (operator). `verified` are the
 * names whose passwords were derived; `began` and `ended` is the activity log.
 */
export async function adminAppOf(routes: FastifyPluginAsync, options: Partial<AdminAppOptions> = {}) {
  const people = new Map<string, (typeof PEOPLE)[Person]>(Object.entries(PEOPLE))
  const known = new Set<string>()
  const verified: string[] = []
  const revokedIds = new Set<string>()
  const began: Change[] = []
  const ended: [id: string, outcome: string][] = []
  const users: AdminAppOptions['users'] = {
    find: name => people.get(name),
    verify: async (name, password) => {
      verified.push(name)
      if (password !== PASSWORD || !people.has(name)) return undefined
      known.add(name)
      return people.get(name)
    },
    remembered: (name, password) => (known.has(name) && password === PASSWORD ? people.get(name) : undefined),
    sessionKey: () => Buffer.alloc(32, 7),
  }
  const revoked = {
    add: async (id: string) => void revokedIds.add(id),
    has: async (id: string) => revokedIds.has(id),
  }
  const app = await createAdminApp({
    users,
    revoked,
    activityLog: {
      begin: async change => String(began.push(change)),
      end: async (id, outcome) => void ended.push([id, outcome]),
      list: async () => [],
    },
    logger: createLogger('test', 'silent'),
    assertStarted: () => undefined,
    basePath: '',
    routes: [loginRoutes({ users, revoked, basePath: '' }), routes],
    ...options,
  })
  /** Logs in; what the requests of that session carry. */
  const logIn = async (user: Person) => {
    const reply = await app.inject({ method: 'POST', url: '/login', payload: { user, password: PASSWORD } })
    return {
      cookie: String(reply.headers['set-cookie']).split(';')[0] as string,
      'x-csrf-token': reply.json().csrfToken as string,
    }
  }
  return { app, users, people, verified, began, ended, logIn }
}

/** HTTP Basic. */
export function basic(name: string, password = PASSWORD): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` }
}
