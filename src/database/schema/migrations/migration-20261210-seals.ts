import { Migration } from '@mikro-orm/migrations'

/** Sealed accounts: the signed root over a COMPLETED promotion's gifts, and the roots of its chunks. */
export class Seals extends Migration {
  override name = '20261210-seals'

  override up(): void {
    this.addSql(`
      create table campaign_promotion_seal (
        promotion_id bigint not null,
        sequence int not null,
        root bytea not null,
        gift_count bigint not null,
        success_count bigint not null,
        failed_count bigint not null,
        statement text not null,
        signature bytea not null,
        public_key bytea not null,
        chunk_roots bytea not null,
        chunk_last_ids bigint[] not null,
        sealed_at timestamptz not null default now(),
        primary key (promotion_id, sequence)
      )`)
  }

  override down(): void {
    this.addSql('drop table campaign_promotion_seal')
  }
}
