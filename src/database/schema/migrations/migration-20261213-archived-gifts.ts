import { Migration } from '@mikro-orm/migrations'

/**
 * What is kept of a gift whose row was archived, for ever: that its target was paid (or refused), and what the audit
 * compares; and audits that were recorded are found among all changes. Taken back only while it is empty: who forgets that a target was paid may pay it again.
 */
export class ArchivedGifts extends Migration {
  override name = '20261213-archived-gifts'

  override up(): void {
    this.addSql(`
      create table campaign_promotion_archived_gift (
        type text not null,
        target_id bigint not null,
        gift_id bigint not null,
        promotion_id bigint not null,
        promotion_summary_id bigint not null,
        member_id bigint not null,
        amount bigint not null,
        process_status text not null check (process_status in ('SUCCESS', 'FAILED')),
        money_key text,
        attempts integer not null,
        kafka_partition integer,
        kafka_offset bigint,
        archived_at timestamptz not null default now(),
        primary key (type, target_id)
      );
      create index campaign_promotion_archived_gift_promotion
        on campaign_promotion_archived_gift (promotion_id, type, gift_id);
      create index admin_audit_audit_run on admin_audit ((detail->>'charges'), id) where what = 'audit.run';
    `)
  }

  override down(): void {
    this.addSql(`
      do $$ begin
        if exists (select from campaign_promotion_archived_gift) then
          raise exception 'gifts were archived: without campaign_promotion_archived_gift they could be paid again';
        end if;
      end $$;
      drop table campaign_promotion_archived_gift;
      drop index admin_audit_audit_run;
    `)
  }
}
