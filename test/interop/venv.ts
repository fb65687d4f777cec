import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

const ONNX = ['onnx', 'onnxruntime', 'skl2onnx'] as const

/** What is installed into each environment; the first two are always made, the others with `--all`. */
export const ENVIRONMENTS = {
  latest: ['mlflow[auth]', 'psycopg2-binary', 'boto3', 'moto[server]', ...ONNX],
  'latest-2': ['mlflow<3', ...ONNX],
  '2.9': ['mlflow==2.9.*', 'setuptools<81'],
  '3.1': ['mlflow==3.1.*', 'sqlalchemy<2.1'],
  '3.12': ['mlflow==3.12.*'],
} as const

export type Environment = keyof typeof ENVIRONMENTS

const home = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'cairn-interop')

/** The environment's python. */
export const pythonOf = (name: Environment): string => join(home, name, 'bin', 'python')

/** The first python of 3.10 or newer; throws in words when there is none. */
async function basePython(): Promise<string> {
  for (const name of ['python3.12', 'python3.11', 'python3', 'python3.10', 'python3.13'])
    try {
      const { stdout } = await run(name, ['-c', 'import sys, venv; print(sys.version_info >= (3, 10))'])
      if (stdout.trim() === 'True') return name
    } catch {
      // The next one, then.
    }
  throw new Error('no Python of 3.10 or newer (with venv) on the PATH')
}

/** Makes an environment, or takes the one that is there; throws in words when Python or PyPI cannot be had. */
export async function ensure(name: Environment): Promise<void> {
  const dir = join(home, name)
  const wanted = JSON.stringify(ENVIRONMENTS[name])
  const mark = join(dir, 'cairn-ready.json')
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted) return
  const python = await basePython()
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(home, { recursive: true })
  console.log(`Making the environment ${name} in ${dir} (${ENVIRONMENTS[name].join(', ')}) …`)
  await run(python, ['-m', 'venv', dir])
  try {
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...ENVIRONMENTS[name]]
    await run(pythonOf(name), pip, { maxBuffer: 1 << 26 })
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    throw new Error(`pip could not install ${ENVIRONMENTS[name].join(', ')}: ${stderr.trim().split('\n').at(-1)}`)
  }
  writeFileSync(mark, wanted)
}

/** PostgreSQL's programs, as Debian lays them out; `undefined` when it is not installed. */
export const postgresBin: string | undefined = (() => {
  const base = '/usr/lib/postgresql'
  const version = existsSync(base) ? readdirSync(base).sort((a, b) => Number(b) - Number(a))[0] : undefined
  return version && join(base, version, 'bin')
})()
