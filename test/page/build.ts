import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { chromiumPath } from '../support/chromium.js'

/** Builds the page as the package does, and says why nothing is tested where there is no browser. */
export default async function setup(): Promise<void> {
  if (!existsSync(chromiumPath))
    console.log(`SKIPPED: there is no Chromium at ${chromiumPath}; set CHROMIUM, or install Debian's package chromium`)
  const root = fileURLToPath(new URL('../..', import.meta.url))
  await build({
    absWorkingDir: root,
    entryPoints: { page: 'src/server/page/main.tsx' },
    outdir: 'dist',
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    logLevel: 'warning',
  })
}
