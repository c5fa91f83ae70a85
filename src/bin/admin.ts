import '#runtime/node-version.cjs'
import { adminSchema } from '#config/schemas.ts'
import { assembleAdmin } from './admin-assembly.ts'
import { runProcess } from './run-process.ts'

/** What people and programs see an installation by, and operate it with: board, pages, API, hooks, metrics. */
await runProcess('admin', adminSchema, assembleAdmin)
