import type { Kysely } from 'kysely'
import type { EventProviderService } from '#kafka/event-provider.ts'
import type { AuditSources } from '#promotion/audit/audit.ts'
import type { PromotionType } from '#queues/gift-types.ts'

/** What a demo works with. */
export interface DemoParts {
  kysely: Kysely<unknown>
  events: EventProviderService
  /** What the child processes are given. */
  env: Record<string, string>
  topics: DemoTopics
  moneyUrl: string
  /** Where the audit reads the messages. */
  audited: AuditSources['kafka'] | undefined
  keep: boolean
  /** Waits for the seals, and checks them. */
  isSealed: boolean
  /** By when its promotions should be done, in s from their start. */
  deadlineS: number | undefined
  say(line: string): void
  /** Records on the demo's invalid topic. */
  countInvalid(): Promise<number>
}

export interface DemoTopics {
  started: string
  gifts: Readonly<Record<PromotionType, string>>
}
