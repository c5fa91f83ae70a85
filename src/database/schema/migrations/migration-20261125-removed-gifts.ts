import { Migration } from '@mikro-orm/migrations'

const trigger = (kind: 'voucher' | 'point') => `
  create trigger campaign_promotion_${kind}_removed after delete on campaign_promotion_${kind}_result
    referencing old table as removed for each statement
    execute function campaign_promotion_gifts_removed('${kind.toUpperCase()}');`

/**
 * Rows that are archived leave the counts too. Summaries keep what was paid, so the tally remembers how many SUCCESS and
 * FAILED rows are gone: PENDING is what is left of both.
 */
export class RemovedGifts extends Migration {
  override name = '20261125-removed-gifts'

  override up(): void {
    this.addSql(`
      alter table campaign_promotion_tally add column removed_final bigint not null default 0;
      create function campaign_promotion_gifts_removed() returns trigger language plpgsql as $$
        begin
          insert into campaign_promotion_tally as t (promotion_id, slot, inserted, removed_final)
            select promotion_id, pg_backend_pid() % 8, -count(*),
              count(*) filter (where process_status in ('SUCCESS', 'FAILED'))
            from removed group by promotion_id order by promotion_id
            on conflict (promotion_id, slot) do update set inserted = t.inserted + excluded.inserted,
              removed_final = t.removed_final + excluded.removed_final;
          delete from campaign_promotion_exception e using removed r
            where e.type = tg_argv[0] and e.gift_id = r.id and r.process_status in ('RETRYING', 'UNKNOWN', 'FAILED');
          return null;
        end $$;
      ${trigger('voucher')}
      ${trigger('point')}
    `)
  }
}
