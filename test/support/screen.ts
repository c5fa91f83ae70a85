import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import type { Browser } from 'playwright-core'
import { TEXTS } from '#admin/texts/texts.ts'
import type { Child } from '#local/demo/children.ts'
import { adminUsers, PASSWORDS } from './admin-client.ts'
import { openBrowser, Visitor } from './browser.ts'
import { TestSystem, targetsOf } from './system.ts'

export const PICTURES = join(process.cwd(), '.screenshots')
const LOCALES = { en: 'en-US', ko: 'ko-KR' } as const

/** An installation with a promotion that runs, one that has ended and one with UNKNOWN gifts; its admin, and a browser. */
export class Screen {
  readonly system: TestSystem
  readonly browser: Browser
  readonly admin: Child
  readonly ids: Readonly<Record<'running' | 'ended' | 'unknown', string>>
  readonly unknownTargets: readonly string[]
  readonly #sessions = new Map<string, Awaited<ReturnType<Visitor['context']['storageState']>>>()

  private constructor(parts: Pick<Screen, 'system' | 'browser' | 'admin' | 'ids' | 'unknownTargets'>) {
    this.system = parts.system
    this.browser = parts.browser
    this.admin = parts.admin
    this.ids = parts.ids
    this.unknownTargets = parts.unknownTargets
  }

  /** `settings` of the admin, made of the installation's own. */
  static async open(
    settings: (env: Readonly<Record<string, string>>) => Promise<Record<string, string>> = async () => ({}),
  ): Promise<Screen> {
    mkdirSync(PICTURES, { recursive: true })
    const system = await TestSystem.create({ COMPLETION_QUIET_MS: '500', RETRY_MAX_ATTEMPTS: '2' })
    const browser = await openBrowser()
    const admin = await system.start('admin', { ADMIN_USERS: adminUsers(), ...(await settings(system.env)) })
    const ids = {
      running: await promotion(system, 'Running', 'IN_PROGRESS', 100),
      ended: await promotion(system, 'Ended', 'COMPLETED', 200),
      unknown: await promotion(system, 'Unsettled', 'IN_PROGRESS', 3),
    }
    await sql`update campaign_promotion set started_at = now() - interval '10 minutes', finished_at = now()
      where id = ${ids.ended}::bigint`.execute(system.kysely)
    const unknownTargets = targetsOf(3)
    await addUnknown(system, ids.unknown, unknownTargets)
    return new Screen({ system, browser, admin, ids, unknownTargets })
  }

  /** Logged in once a language: logins are counted by address and minute. */
  async visit(language: keyof typeof LOCALES, options: Parameters<Browser['newContext']>[0] = {}): Promise<Visitor> {
    const known = this.#sessions.get(language)
    const visitor = await Visitor.open(this.browser, this.admin.url, {
      locale: LOCALES[language],
      ...options,
      ...(known === undefined ? {} : { storageState: known }),
    })
    if (known === undefined) {
      const { frame } = TEXTS[language]
      await visitor.goto('/login')
      await visitor.page.getByLabel(frame.user).fill('otto')
      await visitor.page.getByLabel(frame.password).fill(PASSWORDS.otto)
      await visitor.page.getByRole('button', { name: frame.logIn }).click()
      await visitor.page.waitForURL(`${this.admin.url}/`)
      this.#sessions.set(language, await visitor.context.storageState())
    }
    return visitor
  }

  async close(): Promise<void> {
    await this.browser.close()
    await this.system.stop()
  }
}

async function promotion(system: TestSystem, name: string, status: string, totalCount: number): Promise<string> {
  const id = await system.promotion('VOUCHER', status, totalCount)
  await sql`update campaign_promotion set name = ${name} where id = ${id}::bigint`.execute(system.kysely)
  return id
}

/** As the second attempt leaves them. */
async function addUnknown(system: TestSystem, promotionId: string, targets: readonly string[]): Promise<void> {
  await sql`insert into campaign_promotion_voucher_result (promotion_id, promotion_summary_id, voucher_target_id,
      partition_key, member_id, amount, message, process_status, error_code, error_message, attempts, enqueued)
    select ${promotionId}::bigint, ${promotionId}::bigint, target, 'k', 7, 12345, '{}', 'RETRYING', 'HTTP_503', 'busy', 1, true
    from unnest(${[...targets]}::bigint[]) as t (target)`.execute(system.kysely)
  await sql`update campaign_promotion_voucher_result set process_status = 'UNKNOWN', attempts = 2, error_code = 'TIMEOUT',
    error_message = 'no answer' where promotion_id = ${promotionId}::bigint`.execute(system.kysely)
}
