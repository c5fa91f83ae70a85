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

export default {
  projects: [
    { ...common, displayName: 'unit', testMatch: ['<rootDir>/test/{unit,architecture}/**/*.test.ts'] },
    {
      ...common,
      ...stack,
      displayName: 'integration',
      testMatch: ['<rootDir>/test/{integration,process}/**/*.test.ts'],
    },
    { ...common, displayName: 'stream', testMatch: ['<rootDir>/test/stream/**/*.test.ts'] },
    { ...common, displayName: 'local', testMatch: ['<rootDir>/test/local/**/*.test.ts'] },
  ],
  maxWorkers: 2,
  testTimeout: 30_000,
  coverageProvider: 'v8',
}
