import { Migration } from '@mikro-orm/migrations'

/**
 * How gifts ended, by promotion and slot of five seconds, from all instances; and why a promotion was paused, if not by a
 * person. Whoever starts it again, by SQL too, takes the reason away, and what ended before counts no more.
 */
export class ErrorBudget extends Migration {
  override name = '20261201-error-budget'

  override up(): void {
    this.addSql(`
      alter table campaign_promotion add column pause_reason text, add column resumed_at timestamptz;
      create table campaign_promotion_outcome (
        promotion_id bigint not null,
        slot bigint not null,
        settled bigint not null,
        failed bigint not null,
        primary key (promotion_id, slot)
      ) with (fillfactor = 50);
      create function campaign_promotion_unpaused() returns trigger language plpgsql as $$
        begin
          new.pause_reason := null;
          new.resumed_at := clock_timestamp();
          delete from campaign_promotion_outcome where promotion_id = new.id;
          return new;
        end $$;
      create trigger campaign_promotion_unpaused before update of status on campaign_promotion
        for each row when (old.status <> new.status and new.status <> 'PAUSED')
        execute function campaign_promotion_unpaused();
    `)
  }

  override down(): void {
    this.addSql(`
      drop trigger campaign_promotion_unpaused on campaign_promotion;
      drop function campaign_promotion_unpaused();
      drop table campaign_promotion_outcome;
      alter table campaign_promotion drop column pause_reason, drop column resumed_at;
    `)
  }
}
