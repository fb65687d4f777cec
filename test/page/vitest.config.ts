import { defineConfig } from 'vitest/config'

/** The page in a real browser: started by `npm run test:page`, apart from the tests that need none. */
export default defineConfig({
  test: {
    // Real processes, servers and browsers on a shared machine: a second try in CI, where the first is still shown.
    retry: process.env.CI ? 1 : 0,
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/page/**/*.test.ts'],
    globalSetup: ['test/page/build.ts'],
    // A second by default, in which a busy machine gets nowhere.
    expect: { poll: { timeout: 15_000 } },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    env: { MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true' },
  },
})
