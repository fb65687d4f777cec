import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { faultReport } from './support/fault-report.js'

export default defineConfig({
  test: {
    reporters: ['default', ...(process.env.GITHUB_ACTIONS ? ['github-actions'] : []), faultReport],
    // Real processes, servers and browsers on a shared machine: a second try in CI, where the first is still shown.
    retry: process.env.CI ? 1 : 0,
    // Most of the time goes by in waiting, for processes that end and servers that are away.
    maxWorkers: 2,
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    exclude: ['test/interop/**', 'test/page/**', '**/node_modules/**'],
    // A second by default, in which a busy machine gets nowhere.
    expect: { poll: { timeout: 15_000 } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    env: {
      MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true',
      CAIRN_SPOOL_DIR: join(tmpdir(), `cairn-test-spool-${process.pid}`),
    },
  },
})
