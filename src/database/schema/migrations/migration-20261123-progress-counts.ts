import { Migration } from '@mikro-orm/migrations'

/** Rows that one step of a backfill looks at, in a transaction of its own. */
const STEP_ROWS = 20_000

const triggers = (kind: 'voucher' | 'point') => `
  drop trigger if exists campaign_promotion_${kind}_tally on campaign_promotion_${kind}_result;
  create trigger campaign_promotion_${kind}_tally after insert on campaign_promotion_${kind}_result
    referencing new table as added for each statement execute function campaign_promotion_tally_add();
  drop trigger if exists campaign_promotion_${kind}_exception on campaign_promotion_${kind}_result;
  create trigger campaign_promotion_${kind}_exception after update of process_status on campaign_promotion_${kind}_result
    for each row when (new.process_status in ('RETRYING', 'UNKNOWN', 'FAILED') or old.process_status in ('RETRYING', 'UNKNOWN', 'FAILED'))
    execute function campaign_promotion_exception_set('${kind.toUpperCase()}');
  drop trigger if exists campaign_promotion_${kind}_exception_insert on campaign_promotion_${kind}_result;
  create trigger campaign_promotion_${kind}_exception_insert after insert on campaign_promotion_${kind}_result
    for each row when (new.process_status in ('RETRYING', 'UNKNOWN', 'FAILED'))
    execute function campaign_promotion_exception_set('${kind.toUpperCase()}');
  insert into campaign_promotion_backfill (kind, up_to)
    select '${kind}', coalesce((select id from campaign_promotion_${kind}_result order by id desc limit 1), 0)
    on conflict (kind) do nothing;`

/** Exceptions first: a step locks only rows that are some, so that none moves on between being read and being noted. */
const backfill = (kind: 'voucher' | 'point') => `
  do $$
  declare
    last bigint := (select up_to from campaign_promotion_backfill where kind = '${kind}');
    at bigint := 0;
  begin
    while at < last loop
      insert into campaign_promotion_exception (type, gift_id, promotion_id, process_status)
        select '${kind.toUpperCase()}', id, promotion_id, process_status from campaign_promotion_${kind}_result
        where id > at and id <= least(last, at + ${STEP_ROWS}) and process_status in ('RETRYING', 'UNKNOWN', 'FAILED')
        order by id for no key update
        on conflict (type, gift_id) do nothing;
      commit;
      at := at + ${STEP_ROWS};
    end loop;
  end $$`

const tally = (kind: 'voucher' | 'point') => `
  with old as (update campaign_promotion_backfill set is_done = true where kind = '${kind}' and not is_done returning up_to)
  insert into campaign_promotion_tally (promotion_id, slot, inserted)
    select promotion_id, 8, count(*) from campaign_promotion_${kind}_result
    where id <= (select up_to from old) group by promotion_id
    on conflict (promotion_id, slot) do update set inserted = campaign_promotion_tally.inserted + excluded.inserted`

/**
 * Counts that a poll can read without counting rows: inserted gifts as a tally, and every gift that is RETRYING, UNKNOWN
 * or FAILED as a row of its own. The result tables' indexes stay as they are: one that knew a status would make every
 * status update dear (not HOT), and the many go from PENDING to SUCCESS, which touches neither.
 *
 * A tally has slots by database connection, so that two batches of one promotion do not wait for each other.
 *
 * Rows that exist are counted after the triggers stand, up to the last one there was when they came, without a lock that
 * gifts wait for. Each part can be run again; `campaign_promotion_backfill` knows what is done.
 */
export class ProgressCounts extends Migration {
  override name = '20261123-progress-counts'

  override isTransactional(): boolean {
    return false
  }

  override up(): void {
    // One text: PostgreSQL takes it as one transaction, and keeps its locks for a moment.
    this.addSql(`
      alter table campaign_promotion add column if not exists consumers_per_instance integer
        check (consumers_per_instance between 1 and 100000);
      create table if not exists campaign_promotion_tally (
        promotion_id bigint not null,
        slot smallint not null,
        inserted bigint not null,
        primary key (promotion_id, slot)
      ) with (fillfactor = 50);
      create table if not exists campaign_promotion_exception (
        type text not null,
        gift_id bigint not null,
        promotion_id bigint not null,
        process_status text not null,
        primary key (type, gift_id)
      );
      create index if not exists campaign_promotion_exception_promotion
        on campaign_promotion_exception (promotion_id, process_status, gift_id);
      create table if not exists campaign_promotion_backfill (
        kind text primary key,
        up_to bigint not null,
        is_done boolean not null default false
      );
      create or replace function campaign_promotion_tally_add() returns trigger language plpgsql as $$
        begin
          insert into campaign_promotion_tally as t (promotion_id, slot, inserted)
            select promotion_id, pg_backend_pid() % 8, count(*) from added group by promotion_id order by promotion_id
            on conflict (promotion_id, slot) do update set inserted = t.inserted + excluded.inserted;
          return null;
        end $$;
      create or replace function campaign_promotion_exception_set() returns trigger language plpgsql as $$
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
    for (const kind of ['voucher', 'point'] as const) {
      this.addSql(backfill(kind))
      this.addSql(tally(kind))
    }
  }
}
