import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { tempDir } from '../support/temp-dir.js'
import { type Environment, pythonOf } from './venv.js'

const run = promisify(execFile)

/** Runs one of the scripts here with an environment's Python; what it prints last is JSON. */
export async function python(
  environment: Environment,
  script: 'dump' | 'write' | 'train',
  uri: string,
  ...args: string[]
): Promise<unknown> {
  const file = fileURLToPath(new URL(`./python/${script}.py`, import.meta.url))
  const env = { ...process.env, MLFLOW_DISABLE_TELEMETRY: 'true', PYTHONWARNINGS: 'ignore', MLFLOW_TRACKING_URI: uri }
  const { stdout } = await run(pythonOf(environment), [file, uri, ...args], { env, cwd: tempDir(), maxBuffer: 1 << 26 })
  return JSON.parse(stdout.trim().split('\n').at(-1) as string)
}
