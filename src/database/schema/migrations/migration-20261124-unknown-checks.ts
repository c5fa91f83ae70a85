import { Migration } from '@mikro-orm/migrations'

const listed = (kind: 'voucher' | 'point') => `
  insert into campaign_promotion_unknown_check (type, target_id, promotion_id)
    select e.type, r.${kind}_target_id, e.promotion_id
    from campaign_promotion_exception e join campaign_promotion_${kind}_result r on r.id = e.gift_id
    where e.type = '${kind.toUpperCase()}' and e.process_status = 'UNKNOWN';`

/**
 * When each UNKNOWN gift is asked about next. A table of its own: an index on the result tables that knew a status would
 * make every status update dear. Filled by the statement that makes a gift UNKNOWN, cleared when it is settled.
 */
export class UnknownChecks extends Migration {
  override name = '20261124-unknown-checks'

  override up(): void {
    this.addSql(`
      alter table campaign_promotion add column finish_difference bigint;
      create table campaign_promotion_unknown_check (
        type text not null,
        target_id bigint not null,
        promotion_id bigint not null,
        checks integer not null default 0,
        next_check_at timestamptz not null default now(),
        primary key (type, target_id)
      );
      create index campaign_promotion_unknown_check_due on campaign_promotion_unknown_check (next_check_at);
      ${listed('voucher')}
      ${listed('point')}
    `)
  }
}
