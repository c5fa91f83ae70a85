import { Migration } from '@mikro-orm/migrations'

const setFillFactor = (percent: number) => `
  alter table campaign_promotion_voucher_result set (fillfactor = ${percent});
  alter table campaign_promotion_point_result set (fillfactor = ${percent});`

/**
 * The second version of a row holds the money key, and is up to a fifth longer: in a page that is half full the last ones
 * found no room, and one of thirty updates was not heap-only. New pages alone; no row is rewritten.
 */
export class RoomForUpdates extends Migration {
  override name = '20261211-room-for-updates'

  override up(): void {
    this.addSql(setFillFactor(45))
  }

  override down(): void {
    this.addSql(setFillFactor(50))
  }
}
