import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'tsup'

const root = fileURLToPath(new URL('../..', import.meta.url))
let made: Promise<string> | undefined

/** The library as users run it, with its threads: the path of its index, built once for each test file. */
export function built(): Promise<string> {
  made ??= make()
  return made
}

async function make(): Promise<string> {
  // Below the packages that it needs.
  const parent = join(root, 'node_modules', '.cache')
  mkdirSync(parent, { recursive: true })
  const outDir = mkdtempSync(join(parent, 'cairn-built-'))
  process.once('exit', () => rmSync(outDir, { recursive: true, force: true }))
  await build({
    config: false,
    silent: true,
    entry: {
      index: join(root, 'src/index.ts'),
      'spool-worker': join(root, 'src/wire/spool-worker.ts'),
      server: join(root, 'src/server/index.ts'),
      'search-worker': join(root, 'src/server/search-worker.ts'),
      testing: join(root, 'src/testing/index.ts'),
    },
    format: 'esm',
    target: 'node20.19',
    splitting: true,
    outDir,
  })
  return join(outDir, 'index.js')
}
