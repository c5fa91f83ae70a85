import { Migration } from '@mikro-orm/migrations'

/** `promostream_process`: who works on this database now, and under which prefix of Redis keys. */
export class Processes extends Migration {
  override name = '20261130-processes'

  override up(): void {
    this.addSql(`
      create table promostream_process (
        instance text primary key,
        kind text not null,
        key_prefix text not null,
        seen_at timestamptz not null default now()
      ) with (fillfactor = 50)`)
  }

  override down(): void {
    this.addSql('drop table promostream_process')
  }
}
