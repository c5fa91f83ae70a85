import { Migration } from '@mikro-orm/migrations'

/** Nullable columns and constant defaults: no row is read or written, the locks last for a moment. */
const giftColumns = (kind: 'voucher' | 'point') => `
  alter table campaign_promotion_${kind}_result
    add column kafka_time timestamptz,
    add column ask_first boolean not null default false;`

/**
 * - `campaign_promotion_schema`: the oldest version that may run on this database, as the last migration that it must know.
 * - `campaign_promotion_switch`: what people switch for all processes at once.
 * - `kafka_time`: when the gift's record was written; its key may be as old. `ask_first`: its POST is preceded by the GET.
 * - Ceilings of a promotion, 0 = none, and what has been taken of them. What one has been set on is counted in the
 *   transaction that sets it, which inserts wait for; afterwards each insert moves it.
 */
export class SchemaRules extends Migration {
  override name = '20261126-schema-rules'

  override up(): void {
    this.addSql(`
      drop table if exists campaign_promotion_backfill;
      create table campaign_promotion_schema (
        is_only boolean primary key default true check (is_only),
        oldest_version text not null
      );
      insert into campaign_promotion_schema (oldest_version) values ('20261126-schema-rules');
      create table campaign_promotion_switch (
        name text primary key,
        is_on boolean not null,
        changed_at timestamptz not null default now()
      );
      ${giftColumns('voucher')}
      ${giftColumns('point')}
      alter table campaign_promotion
        add column max_gift_count bigint not null default 0,
        add column max_total_amount bigint not null default 0;
      create table campaign_promotion_spent (
        promotion_id bigint primary key,
        gift_count bigint not null,
        total_amount numeric not null
      ) with (fillfactor = 50);
      create function campaign_promotion_spent_count() returns trigger language plpgsql as $$
        begin
          delete from campaign_promotion_spent where promotion_id = new.id;
          if new.max_gift_count > 0 or new.max_total_amount > 0 then
            insert into campaign_promotion_spent (promotion_id, gift_count, total_amount)
              select new.id, coalesce(sum(c), 0), coalesce(sum(a), 0) from (
                select count(*) as c, sum(amount) as a from campaign_promotion_voucher_result where promotion_id = new.id
                union all
                select count(*), sum(amount) from campaign_promotion_point_result where promotion_id = new.id) s;
          end if;
          return null;
        end $$;
      create trigger campaign_promotion_spent_insert after insert on campaign_promotion
        for each row when (new.max_gift_count > 0 or new.max_total_amount > 0)
        execute function campaign_promotion_spent_count();
      create trigger campaign_promotion_spent_update after update of max_gift_count, max_total_amount on campaign_promotion
        for each row when (new.max_gift_count <> old.max_gift_count or new.max_total_amount <> old.max_total_amount)
        execute function campaign_promotion_spent_count();
    `)
  }

  override down(): void {
    this.addSql(`
      drop trigger campaign_promotion_spent_insert on campaign_promotion;
      drop trigger campaign_promotion_spent_update on campaign_promotion;
      drop function campaign_promotion_spent_count();
      drop table campaign_promotion_spent, campaign_promotion_switch, campaign_promotion_schema;
      alter table campaign_promotion drop column max_gift_count, drop column max_total_amount;
      alter table campaign_promotion_voucher_result drop column kafka_time, drop column ask_first;
      alter table campaign_promotion_point_result drop column kafka_time, drop column ask_first;
    `)
  }
}
