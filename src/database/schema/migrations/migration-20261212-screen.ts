import { Migration } from '@mikro-orm/migrations'

const triggers = (kind: 'voucher' | 'point') => `
  create trigger campaign_promotion_${kind}_attempt after update of attempts on campaign_promotion_${kind}_result
    for each row when (new.attempts > old.attempts and (new.attempts > 1 or new.process_status <> 'SUCCESS'))
    execute function campaign_promotion_attempt_add('${kind.toUpperCase()}', '${kind}_target_id');
  create trigger campaign_promotion_${kind}_attempt_removed after delete on campaign_promotion_${kind}_result
    referencing old table as removed for each statement
    execute function campaign_promotion_attempts_removed('${kind.toUpperCase()}', '${kind}_target_id');`

/**
 * What people at the screen want to see: every attempt of a gift that did not succeed at once (the last 50; the many that do
 * write nothing), a sample of each promotion a minute, by when a promotion should be done, and
 * what it did not take.
 */
export class Screen extends Migration {
  override name = '20261212-screen'

  override up(): void {
    this.addSql(`
      alter table campaign_promotion add column deadline_at timestamptz;
      create index campaign_promotion_skipped_promotion on campaign_promotion_skipped (promotion_id, created_at desc);
      create table campaign_promotion_minute (
        promotion_id bigint not null,
        minute timestamptz not null,
        done bigint not null,
        total bigint not null,
        slots_in_use integer not null,
        primary key (promotion_id, minute)
      );
      create table campaign_promotion_attempt (
        type text not null,
        target_id bigint not null,
        slot smallint not null,
        attempt integer not null,
        at timestamptz not null default now(),
        process_status text not null,
        error_code text,
        error_message text,
        primary key (type, target_id, slot)
      );
      create function campaign_promotion_attempt_add() returns trigger language plpgsql as $$
        begin
          insert into campaign_promotion_attempt as a
            (type, target_id, slot, attempt, process_status, error_code, error_message)
            values (tg_argv[0], (to_jsonb(new) ->> tg_argv[1])::bigint, new.attempts % 50, new.attempts,
              new.process_status, new.error_code, new.error_message)
            on conflict (type, target_id, slot) do update set attempt = excluded.attempt, at = excluded.at,
              process_status = excluded.process_status, error_code = excluded.error_code,
              error_message = excluded.error_message;
          return null;
        end $$;
      create function campaign_promotion_attempts_removed() returns trigger language plpgsql as $$
        begin
          delete from campaign_promotion_attempt a using removed r
            where a.type = tg_argv[0] and a.target_id = (to_jsonb(r) ->> tg_argv[1])::bigint and (r.attempts > 1 or r.process_status <> 'SUCCESS');
          return null;
        end $$;
      ${triggers('voucher')}
      ${triggers('point')}
    `)
  }

  override down(): void {
    for (const kind of ['voucher', 'point'])
      this.addSql(`
        drop trigger campaign_promotion_${kind}_attempt on campaign_promotion_${kind}_result;
        drop trigger campaign_promotion_${kind}_attempt_removed on campaign_promotion_${kind}_result;`)
    this.addSql(`
      drop function campaign_promotion_attempt_add();
      drop function campaign_promotion_attempts_removed();
      drop table campaign_promotion_attempt;
      drop index campaign_promotion_skipped_promotion;
      drop table campaign_promotion_minute;
      alter table campaign_promotion drop column deadline_at;
    `)
  }
}
