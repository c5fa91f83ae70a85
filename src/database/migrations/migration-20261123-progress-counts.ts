import { Migration } from '@mikro-orm/migrations'

/**
 * Counts that a poll can read without counting rows: inserted gifts as a tally, and every gift that is RETRYING, UNKNOWN
 * or FAILED as a row of its own. The result tables' indexes stay as they are: one that knew a status would make every
 * status update dear (not HOT), and the many go from PENDING to SUCCESS, which touches neither.
 *
 * A tally has slots by database connection, so that two batches of one promotion do not wait for each other.
 */
const triggers = (kind: 'voucher' | 'point') => `
  create trigger campaign_promotion_${kind}_tally after insert on campaign_promotion_${kind}_result
    referencing new table as added for each statement execute function campaign_promotion_tally_add();
  create trigger campaign_promotion_${kind}_exception after update of process_status on campaign_promotion_${kind}_result
    for each row when (new.process_status in ('RETRYING', 'UNKNOWN', 'FAILED') or old.process_status in ('RETRYING', 'UNKNOWN', 'FAILED'))
    execute function campaign_promotion_exception_set('${kind.toUpperCase()}');
  create trigger campaign_promotion_${kind}_exception_insert after insert on campaign_promotion_${kind}_result
    for each row when (new.process_status in ('RETRYING', 'UNKNOWN', 'FAILED'))
    execute function campaign_promotion_exception_set('${kind.toUpperCase()}');
  insert into campaign_promotion_tally (promotion_id, slot, inserted)
    select promotion_id, 0, count(*) from campaign_promotion_${kind}_result group by promotion_id
    on conflict (promotion_id, slot) do update set inserted = campaign_promotion_tally.inserted + excluded.inserted;
  insert into campaign_promotion_exception (type, gift_id, promotion_id, process_status)
    select '${kind.toUpperCase()}', id, promotion_id, process_status from campaign_promotion_${kind}_result
    where process_status in ('RETRYING', 'UNKNOWN', 'FAILED');`

export class ProgressCounts extends Migration {
  override name = '20261123-progress-counts'

  override up(): void {
    this.addSql(`
      alter table campaign_promotion add column consumers_per_instance integer
        check (consumers_per_instance between 1 and 100000);
      create table campaign_promotion_tally (
        promotion_id bigint not null,
        slot smallint not null,
        inserted bigint not null,
        primary key (promotion_id, slot)
      ) with (fillfactor = 50);
      create table campaign_promotion_exception (
        type text not null,
        gift_id bigint not null,
        promotion_id bigint not null,
        process_status text not null,
        primary key (type, gift_id)
      );
      create index campaign_promotion_exception_promotion
        on campaign_promotion_exception (promotion_id, process_status, gift_id);
      create function campaign_promotion_tally_add() returns trigger language plpgsql as $$
        begin
          insert into campaign_promotion_tally as t (promotion_id, slot, inserted)
            select promotion_id, pg_backend_pid() % 8, count(*) from added group by promotion_id order by promotion_id
            on conflict (promotion_id, slot) do update set inserted = t.inserted + excluded.inserted;
          return null;
        end $$;
      create function campaign_promotion_exception_set() returns trigger language plpgsql as $$
        begin
          if new.process_status in ('RETRYING', 'UNKNOWN', 'FAILED') then
            insert into campaign_promotion_exception as e (type, gift_id, promotion_id, process_status)
              values (tg_argv[0], new.id, new.promotion_id, new.process_status)
              on conflict (type, gift_id) do update set process_status = excluded.process_status
              where e.process_status <> excluded.process_status;
          else
            delete from campaign_promotion_exception where type = tg_argv[0] and gift_id = new.id;
          end if;
          return null;
        end $$;
      ${triggers('voucher')}
      ${triggers('point')}
    `)
  }
}
