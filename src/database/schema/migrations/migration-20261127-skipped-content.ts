import { Migration } from '@mikro-orm/migrations'

const STEP_ROWS = 5000

/**
 * A topic that is made again starts its offsets anew: what was skipped is identified by its place and its content. The
 * content itself does not fit an index, its hash does; a trigger writes it, whoever inserts. Existing rows get theirs in
 * steps, and the key is exchanged for one whose index has been built beside the work. Each part can be run again.
 */
export class SkippedContent extends Migration {
  override name = '20261127-skipped-content'

  override isTransactional(): boolean {
    return false
  }

  override up(): void {
    this.addSql(`
      alter table campaign_promotion_skipped add column if not exists content_hash text not null default '';
      create or replace function campaign_promotion_skipped_hash() returns trigger language plpgsql as $$
        begin
          new.content_hash := encode(sha256(convert_to(new.message, 'UTF8')), 'hex');
          return new;
        end $$;
      drop trigger if exists campaign_promotion_skipped_hash on campaign_promotion_skipped;
      create trigger campaign_promotion_skipped_hash before insert on campaign_promotion_skipped
        for each row execute function campaign_promotion_skipped_hash()`)
    this.addSql(`
      do $$
      declare
        place record;
      begin
        select ''::text as topic, -1 as partition, -1::bigint as "offset" into place;
        loop
          with step as materialized (
            select topic, partition, "offset" from campaign_promotion_skipped
            where (topic, partition, "offset") > (place.topic, place.partition, place."offset")
            order by topic, partition, "offset" limit ${STEP_ROWS}
          ), hashed as (
            update campaign_promotion_skipped s set content_hash = encode(sha256(convert_to(s.message, 'UTF8')), 'hex')
            from step where (s.topic, s.partition, s."offset") = (step.topic, step.partition, step."offset")
              and s.content_hash = ''
          )
          select topic, partition, "offset" into place from step order by topic desc, partition desc, "offset" desc limit 1;
          exit when not found;
          commit;
        end loop;
      end $$`)
    this.addSql('drop index concurrently if exists campaign_promotion_skipped_place')
    this.addSql(`
      create unique index concurrently campaign_promotion_skipped_place
        on campaign_promotion_skipped (topic, partition, "offset", content_hash)`)
    this.addSql(`
      alter table campaign_promotion_skipped drop constraint campaign_promotion_skipped_pkey;
      alter table campaign_promotion_skipped
        add constraint campaign_promotion_skipped_pkey primary key using index campaign_promotion_skipped_place;
      update campaign_promotion_schema set oldest_version = '20261127-skipped-content'`)
  }

  override down(): void {
    this.addSql(`
      delete from campaign_promotion_skipped s using campaign_promotion_skipped o
        where (s.topic, s.partition, s."offset") = (o.topic, o.partition, o."offset") and s.content_hash > o.content_hash;
      alter table campaign_promotion_skipped drop constraint campaign_promotion_skipped_pkey;
      alter table campaign_promotion_skipped add primary key (topic, partition, "offset");
      drop trigger campaign_promotion_skipped_hash on campaign_promotion_skipped;
      drop function campaign_promotion_skipped_hash();
      alter table campaign_promotion_skipped drop column content_hash;
      update campaign_promotion_schema set oldest_version = '20261126-schema-rules'`)
  }
}
