import { Migration } from '@mikro-orm/migrations'

/** The first gifts of a promotion, each confirmed before more are paid: PROMOTION_CANARY_GIFTS. */
export class CanaryGifts extends Migration {
  override name = '20261214-canary'

  override up(): void {
    this.addSql(`
      alter table campaign_promotion
        add column canary_gifts integer,
        add column canary_confirmed integer not null default 0;
      create table campaign_promotion_canary (
        promotion_id bigint not null,
        target_id bigint not null,
        state text not null default 'pending' check (state in ('pending', 'confirmed', 'mismatch')),
        primary key (promotion_id, target_id)
      );
    `)
  }

  override down(): void {
    this.addSql(`
      drop table campaign_promotion_canary;
      alter table campaign_promotion drop column canary_gifts, drop column canary_confirmed;
    `)
  }
}
