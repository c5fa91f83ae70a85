import { armTestBuild } from './arm.ts'

/** Loaded before another program (`node --import`), which then runs with what the environment plants. */
armTestBuild()
