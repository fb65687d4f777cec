import { execFile } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { tempDir } from '../../support/temp-dir.js'
import { available } from '../servers.js'
import { type Environment, pythonOf } from '../venv.js'

const run = promisify(execFile)

/** What MLflow needs in its environment to open a store of files, and to be still. */
export const ENV = {
  MLFLOW_ALLOW_FILE_STORE: 'true',
  MLFLOW_DISABLE_TELEMETRY: 'true',
  MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR: 'false',
  PYTHONWARNINGS: 'ignore',
}

/** The newest of both generations, those of them that are there. */
export const GENERATIONS = (['latest', 'latest-2'] as const).filter(available)

export const scriptPath = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url))

/** Runs `python …` of an environment; answers what it printed. */
export async function runPython(
  environment: Environment,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<string> {
  const env = { ...process.env, ...ENV, ...more }
  try {
    return (await run(pythonOf(environment), args, { cwd: tempDir(), env, maxBuffer: 1 << 28 })).stdout
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string }
    throw new Error(`${message}\n${stderr.slice(-4000)}`)
  }
}

/** Runs a script of this folder; what it prints last is JSON. Arguments that are no texts go through a file. */
export async function python<T>(environment: Environment, name: string, ...args: readonly unknown[]): Promise<T> {
  const dir = mkdtempSync(join(tempDir(), 'args-'))
  const texts = args.map((one, index) => {
    if (typeof one === 'string') return one
    const file = join(dir, `${index}.json`)
    writeFileSync(file, JSON.stringify(one))
    return file
  })
  const said = await runPython(environment, [scriptPath(name), ...texts])
  return JSON.parse(said.trim().split('\n').at(-1) ?? '') as T
}
