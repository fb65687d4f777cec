import { rmSync, writeFileSync } from 'node:fs'
import { defineConfig } from 'tsup'

/** The package's doors: each needs its place under `exports` in package.json too. */
const doors = {
  index: 'src/index.ts',
  testing: 'src/testing/index.ts',
  server: 'src/server/index.ts',
}

export default defineConfig(() => {
  rmSync('dist', { recursive: true, force: true })
  return [
    {
      // Beside the doors: the command, and the threads that deliver what is logged and search what is served.
      entry: {
        ...doors,
        cli: 'src/cli/main.ts',
        'spool-worker': 'src/wire/spool-worker.ts',
        'search-worker': 'src/server/search-worker.ts',
      },
      format: 'esm',
      target: 'node20.19',
      // Chunks keep what a room imports lazily lazy, and shared by all doors.
      splitting: true,
      async onSuccess() {
        // Every supported Node can require an ES module, so CommonJS gets the very same instance.
        for (const door of Object.keys(doors))
          writeFileSync(`dist/${door}.cjs`, `module.exports = require('./${door}.js')\n`)
      },
    },
    // The page is one script and one style sheet, with all that they stand on.
    {
      entry: { page: 'src/server/page/main.tsx' },
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      minify: true,
      noExternal: [/.*/],
      tsconfig: 'src/server/page/tsconfig.json',
    },
    { entry: doors, format: ['esm', 'cjs'], dts: { only: true } },
  ]
})
