import { armTestBuild } from './arm.ts'

/** The listener of the test build: the product's own, with what the environment arms or plants. */
armTestBuild()
await import('#bin/listener.ts')
