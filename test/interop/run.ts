import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ENVIRONMENTS, type Environment, ensure, postgresBin } from './venv.js'

// npm run test:interop [-- --all] [-- files…]: makes what is missing, then runs the suite against real MLflow servers.
const all = process.argv.includes('--all')
const rest = process.argv.slice(2).filter((argument) => argument !== '--all')
const names = Object.keys(ENVIRONMENTS) as Environment[]
const made: Environment[] = []
for (const name of all ? names : names.slice(0, 2))
  try {
    await ensure(name)
    made.push(name)
  } catch (error) {
    console.warn(`SKIPPED: everything against MLflow "${name}": ${(error as Error).message}`)
  }
if (!postgresBin) console.warn('SKIPPED: everything on PostgreSQL: it is not installed (/usr/lib/postgresql)')
if (made.length === 0) {
  console.warn('SKIPPED: the whole interop suite; nothing was tried against a real MLflow')
} else {
  const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
  const config = fileURLToPath(new URL('./vitest.config.ts', import.meta.url))
  const { status } = spawnSync(process.execPath, [vitest, 'run', '--config', config, ...rest], {
    stdio: 'inherit',
    env: { ...process.env, CAIRN_INTEROP: made.join(',') },
  })
  process.exitCode = status ?? 1
}
