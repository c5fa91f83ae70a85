import { Migration } from '@mikro-orm/migrations'

/** How many slots a promotion gets beside others: WORKER_SLOTS_BY_DEADLINE. */
export class Weight extends Migration {
  override name = '20261215-weight'

  override up(): void {
    this.addSql(`
      alter table campaign_promotion
        add column weight integer not null default 1 check (weight between 1 and 1000);
    `)
  }

  override down(): void {
    this.addSql('alter table campaign_promotion drop column weight;')
  }
}
