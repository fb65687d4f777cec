/**
 * Ratios taken in one run on one machine. `npm run bench [-- --json] [-- caller start store …]`, all by default. Rows
 * beside Python need one with mlflow: CAIRN_BENCH_PYTHON, or that of the interop suite once it has been made.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pythonOf } from '../interop/venv.js'
import { callerRows } from './caller.js'
import { pythonRows } from './python.js'
import { remoteRows } from './remote.js'
import { type Row, table } from './rows.js'
import { serverRows } from './server.js'
import { spoolRows } from './spool.js'
import { startRows } from './start.js'
import { storeRows } from './store.js'

if (!process.env.CAIRN_BENCH_PYTHON && existsSync(pythonOf('latest')))
  process.env.CAIRN_BENCH_PYTHON = pythonOf('latest')
const hasPython = Boolean(process.env.CAIRN_BENCH_PYTHON)
if (!hasPython)
  console.warn(
    'SKIPPED: all beside Python; set CAIRN_BENCH_PYTHON to a Python with mlflow, or run npm run test:interop once',
  )

const groups: Record<string, (dir: string) => Promise<Row[]>> = {
  caller: callerRows,
  start: startRows,
  server: serverRows,
  spool: spoolRows,
  store: storeRows,
  remote: remoteRows,
  ...(hasPython ? { python: pythonRows } : {}),
}

const args = process.argv.slice(2)
const chosen = args.filter((arg) => arg in groups)
const dir = mkdtempSync(join(tmpdir(), 'cairn-bench-'))
process.env.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT = 'true'
try {
  const rows: Row[] = []
  for (const name of chosen.length > 0 ? chosen : Object.keys(groups)) rows.push(...(await groups[name]!(dir)))
  console.log(args.includes('--json') ? JSON.stringify({ node: process.version, rows }, null, 2) : table(rows))
} finally {
  rmSync(dir, { recursive: true, force: true })
}
