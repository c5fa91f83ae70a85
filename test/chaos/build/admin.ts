import { armTestBuild } from './arm.ts'

/** The admin of the test build: the product's own, with what the environment plants. */
armTestBuild()
await import('#bin/admin.ts')
