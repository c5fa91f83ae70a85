import { CreateTables } from './migration-20261121-create-tables.ts'
import { AdminAudit } from './migration-20261122-admin-audit.ts'
import { ProgressCounts } from './migration-20261123-progress-counts.ts'
import { UnknownChecks } from './migration-20261124-unknown-checks.ts'
import { RemovedGifts } from './migration-20261125-removed-gifts.ts'
import { SchemaRules } from './migration-20261126-schema-rules.ts'
import { SkippedContent } from './migration-20261127-skipped-content.ts'
import { Ceilings } from './migration-20261128-ceilings.ts'
import { Processes } from './migration-20261130-processes.ts'
import { ErrorBudget } from './migration-20261201-error-budget.ts'
import { Seals } from './migration-20261210-seals.ts'
import { RoomForUpdates } from './migration-20261211-room-for-updates.ts'
import { Screen } from './migration-20261212-screen.ts'
import { ArchivedGifts } from './migration-20261213-archived-gifts.ts'
import { CanaryGifts } from './migration-20261214-canary.ts'
import { Weight } from './migration-20261215-weight.ts'

/** In the order of their names, in which they run. The name of the last one is the version of the schema. */
export const MIGRATIONS = [
  { name: '20261121-create-tables', class: CreateTables },
  { name: '20261122-admin-audit', class: AdminAudit },
  { name: '20261123-progress-counts', class: ProgressCounts },
  { name: '20261124-unknown-checks', class: UnknownChecks },
  { name: '20261125-removed-gifts', class: RemovedGifts },
  { name: '20261126-schema-rules', class: SchemaRules },
  { name: '20261127-skipped-content', class: SkippedContent },
  { name: '20261128-ceilings', class: Ceilings },
  { name: '20261130-processes', class: Processes },
  { name: '20261201-error-budget', class: ErrorBudget },
  { name: '20261210-seals', class: Seals },
  { name: '20261211-room-for-updates', class: RoomForUpdates },
  { name: '20261212-screen', class: Screen },
  { name: '20261213-archived-gifts', class: ArchivedGifts },
  { name: '20261214-canary', class: CanaryGifts },
  { name: '20261215-weight', class: Weight },
] as const
