import { armTestBuild } from './arm.ts'

/** The worker of the test build: the product's own, with what the environment arms or plants. */
armTestBuild()
await import('#bin/worker.ts')
