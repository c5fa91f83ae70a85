import { RESULT_TABLES } from './gifts/result-table.ts'

/** What the processes and the commands do with each table. `migrate` and `archive` need the tables' owner. */
const RIGHTS: Readonly<Record<string, string>> = {
  campaign_promotion: 'select, insert, update',
  campaign_promotion_summary: 'select, insert, update',
  campaign_promotion_summary_share: 'select, insert, update',
  ...Object.fromEntries(Object.values(RESULT_TABLES).map(({ name }) => [name, 'select, insert, update'])),
  campaign_promotion_archived_gift: 'select',
  campaign_promotion_skipped: 'select, insert',
  campaign_promotion_tally: 'select, insert, update',
  campaign_promotion_exception: 'select, insert, update, delete',
  campaign_promotion_unknown_check: 'select, insert, update, delete',
  campaign_promotion_spent: 'select, insert, update, delete',
  campaign_promotion_outcome: 'select, insert, update, delete',
  campaign_promotion_attempt: 'select, insert, update',
  campaign_promotion_minute: 'select, insert, update, delete',
  campaign_promotion_seal: 'select, insert',
  campaign_promotion_canary: 'select, insert, update',
  campaign_promotion_switch: 'select, insert, update',
  campaign_promotion_schema: 'select',
  promostream_process: 'select, insert, update, delete',
  admin_audit: 'select, insert, update',
  mikro_orm_migrations: 'select',
}

/** The statements that give a role what the processes need, and nothing else; the tables' owner runs them. */
export function rightsOf(role: string): string[] {
  const quoted = `"${role.replaceAll('"', '""')}"`
  return [
    `grant usage on schema public to ${quoted};`,
    ...Object.entries(RIGHTS).map(([table, rights]) => `grant ${rights} on ${table} to ${quoted};`),
  ]
}
