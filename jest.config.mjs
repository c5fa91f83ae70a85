/** Tests run on the sources: Node's own type stripping, native ESM, no build. */
const common = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/test/support/strip-types.mjs' },
}

/** Projects that need the embedded stack start it once a run, and only when one of their files runs. */
const stack = {
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
}

/**
 * What `npm test` leaves to `npm run test:all`: the stream framework on other servers than the installed one, and faults that
 * take their time, with whole processes most of all. Single tests of that kind are `slowTest`s in a file of both runs.
 */
const SLOW = '\\.slow\\.test\\.ts$'

const projects = [
  { ...common, displayName: 'unit', testMatch: ['<rootDir>/test/{unit,architecture}/**/*.test.ts'] },
  { ...common, ...stack, displayName: 'integration', testMatch: ['<rootDir>/test/{integration,process}/**/*.test.ts'] },
  { ...common, displayName: 'stream', testMatch: ['<rootDir>/test/stream/**/*.test.ts'] },
  { ...common, displayName: 'local', testMatch: ['<rootDir>/test/local/**/*.test.ts'] },
  { ...common, displayName: 'package', testMatch: ['<rootDir>/test/package/**/*.test.ts'] },
]

/** Every test: see jest.all.config.mjs. */
export const all = {
  projects,
  maxWorkers: 2,
  testSequencer: '<rootDir>/test/support/sequencer.mjs',
  // Modules of earlier files stay in a worker's memory. One that has grown to a gigabyte takes longer to end than the half
  // second that Jest waits before it calls that a leak.
  workerIdleMemoryLimit: '700MB',
  testTimeout: 30_000,
  coverageProvider: 'v8',
}

export default {
  ...all,
  projects: projects.map(project => ({ ...project, testPathIgnorePatterns: ['/node_modules/', SLOW] })),
}
