import { randomBytes } from 'node:crypto'
import { createPromotionRepository } from '#database/promotions/promotions.ts'
import { hashPassword } from '#runtime/password.ts'
import { type Child, startChild } from './children.ts'
import type { DemoParts } from './demo-parts.ts'
import { type DemoPromotion, publishGifts } from './gifts.ts'

/** Who may log in to the demo's admin; made anew for each demo. */
export interface DemoLogin {
  user: string
  role: 'viewer' | 'operator'
  password: string
}

export interface DemoAdmin {
  child: Child
  logins: DemoLogin[]
}

const GIFTS_LEFT = 100_000
/** So that it runs for some twenty minutes at 50 ms a call; an operator may give it more. */
const SLOTS_LEFT = 2

/** The admin of a demo that is kept, with a viewer and an operator. */
export async function startAdmin(env: Record<string, string>, logFolder: string): Promise<DemoAdmin> {
  const logins: DemoLogin[] = [
    { user: 'viewer', role: 'viewer', password: randomBytes(9).toString('base64url') },
    { user: 'operator', role: 'operator', password: randomBytes(9).toString('base64url') },
  ]
  const users = await Promise.all(
    logins.map(async ({ user, role, password }) => `${user}:${role}:${await hashPassword(password)}`),
  )
  const adminEnv = { ...env, ADMIN_HOST: '127.0.0.1', ADMIN_USERS: users.join(',') }
  const child = await startChild({ kind: 'admin', name: 'admin', env: adminEnv, logFolder, keep: true })
  return { child, logins }
}

/** A promotion that goes on after the demo, for the pages to have something that moves. */
export async function leaveRunning({ kysely, events, topics, say }: DemoParts): Promise<void> {
  const id = String(Math.floor(Date.now() / 1000) * 10 + 5)
  const promotion: DemoPromotion = {
    id,
    type: 'VOUCHER',
    topic: topics.gifts.VOUCHER,
    gifts: GIFTS_LEFT,
    firstTargetId: BigInt(id) * 10_000_000n,
  }
  const promotions = createPromotionRepository(kysely)
  await promotions.create({ id, type: 'VOUCHER', name: 'left running', totalCount: GIFTS_LEFT })
  await promotions.setConsumers(id, SLOTS_LEFT)
  const value = JSON.stringify({ promotionId: id, totalCount: GIFTS_LEFT, type: 'VOUCHER' })
  await events.publish({ topic: topics.started, key: id, value })
  say(`leaving a promotion of ${GIFTS_LEFT.toLocaleString('en')} gifts running`)
  await publishGifts(events, promotion)
}

/** Address and logins, as a person copies them. */
export function describeAdmin({ child, logins }: DemoAdmin): string[] {
  return [
    `admin: ${child.url}`,
    ...logins.map(({ user, password, role }) => `  log in as ${user.padEnd(8)} with ${password}   (${role})`),
  ]
}
