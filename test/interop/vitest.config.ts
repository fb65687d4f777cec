import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/interop/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 240_000,
    // Each file starts servers of its own: one at a time, or a small machine stands still.
    fileParallelism: false,
    env: { MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true' },
  },
})
