import { defineConfig } from 'vitest/config'
import { faultReport } from '../support/fault-report.js'

export default defineConfig({
  test: {
    reporters: ['default', ...(process.env.GITHUB_ACTIONS ? ['github-actions'] : []), faultReport],
    // Real processes, servers and browsers on a shared machine: a second try in CI, where the first is still shown.
    retry: process.env.CI ? 1 : 0,
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/interop/**/*.test.ts'],
    // A second by default, in which a busy machine gets nowhere.
    expect: { poll: { timeout: 15_000 } },
    testTimeout: 120_000,
    hookTimeout: 240_000,
    // Each file starts servers of its own: one at a time, or a small machine stands still.
    fileParallelism: false,
    env: { MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true' },
  },
})
