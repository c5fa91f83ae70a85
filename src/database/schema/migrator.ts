import type { MikroORM } from '@mikro-orm/core'
import { Migrator as MikroOrmMigrator } from '@mikro-orm/migrations'

/** Creates no database: MikroORM's own would, and a mistyped name would become an empty production. */
export class Migrator extends MikroOrmMigrator {
  static override register(orm: MikroORM): void {
    orm.config.registerExtension('@mikro-orm/migrator', () => new Migrator(orm.em as never))
  }

  protected override init(): Promise<void> {
    const generator = this.config.getExtension<{ ensureDatabase(): Promise<boolean> }>('@mikro-orm/schema-generator')
    if (generator !== undefined) generator.ensureDatabase = async () => false
    return super.init()
  }
}
