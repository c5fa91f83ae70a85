import { Migration } from '@mikro-orm/migrations'

/**
 * Which of the gifts, taken in their order, fit under the ceilings (0 = none): one that does not leaves its room to those
 * after it. And what promotions have in summaries that belong to another one.
 */
export class Ceilings extends Migration {
  override name = '20261128-ceilings'

  override up(): void {
    this.addSql(`
      create table campaign_promotion_summary_share (
        summary_id bigint not null,
        promotion_id bigint not null,
        success_count bigint not null default 0,
        failed_count bigint not null default 0,
        primary key (summary_id, promotion_id)
      ) with (fillfactor = 50);
      create index campaign_promotion_summary_share_promotion on campaign_promotion_summary_share (promotion_id);
      create or replace function campaign_promotion_fits(
        gift_count bigint, total_amount numeric, max_gift_count bigint, max_total_amount bigint, amounts bigint[]
      ) returns boolean[] language plpgsql immutable as $$
        declare
          fits boolean[] := '{}';
          amount bigint;
          is_fitting boolean;
        begin
          foreach amount in array amounts loop
            is_fitting := (max_gift_count = 0 or gift_count < max_gift_count)
              and (max_total_amount = 0 or total_amount + amount <= max_total_amount);
            if is_fitting then
              gift_count := gift_count + 1;
              total_amount := total_amount + amount;
            end if;
            fits := fits || is_fitting;
          end loop;
          return fits;
        end $$;
    `)
  }

  override down(): void {
    this.addSql(`
      drop table campaign_promotion_summary_share;
      drop function campaign_promotion_fits(bigint, numeric, bigint, bigint, bigint[]);
    `)
  }
}
