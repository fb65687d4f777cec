import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { tempDir } from '../support/temp-dir.js'
import { type Environment, postgresBin, pythonOf } from './venv.js'

export { postgresBin } from './venv.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A real MLflow, or `cairn-ml server` in its place. */
export type Served = Environment | 'cairn'

/** Which environments this run has; our own server needs none. */
export const available = (name: Served): boolean =>
  name === 'cairn' || (process.env.CAIRN_INTEROP ?? '').split(',').includes(name)

/** A program that was started, and how to end it. */
export interface Running {
  readonly url: string
  readonly child: ChildProcess
  stop(): Promise<void>
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function start(
  command: string,
  args: string[],
  options: { dir: string; url: string; ready: string; env?: Record<string, string> },
) {
  const { dir, url, ready, env = {} } = options
  const log = join(dir, 'server.log')
  const out = openSync(log, 'a')
  const child = spawn(command, args, {
    cwd: dir,
    env: { ...process.env, ...env },
    stdio: ['ignore', out, out],
    detached: true,
  })
  closeSync(out)
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    try {
      // The whole group: workers outlive their parent otherwise.
      process.kill(-(child.pid as number), 'SIGKILL')
    } catch {
      return
    }
    await gone
  }
  const until = Date.now() + 180_000
  while (Date.now() < until) {
    if (child.exitCode !== null) break
    const answer = await fetch(ready).catch(() => undefined)
    if (answer?.ok) return { url, child, stop }
    await wait(200)
  }
  await stop()
  throw new Error(`${args.join(' ')} did not come up:\n${readFileSync(log, 'utf8').slice(-3000)}`)
}

export interface MlflowOptions {
  /** `sqlite` or `files` in a folder of its own, or a SQLAlchemy URI. */
  readonly store: 'sqlite' | 'files' | (string & {})
  /** Where the server keeps artifacts; default: a folder of its own. */
  readonly artifacts?: string
  readonly port?: number
  readonly dir?: string
  readonly args?: readonly string[]
  readonly env?: Record<string, string>
}

/** Starts `mlflow server` of an environment on loopback and waits until it answers. */
export async function startMlflow(environment: Environment, options: MlflowOptions): Promise<Running> {
  const dir = options.dir ?? tempDir()
  const port = options.port ?? (await freePort())
  const store =
    options.store === 'sqlite'
      ? `sqlite:///${dir}/mlflow.db`
      : options.store === 'files'
        ? join(dir, 'mlruns')
        : options.store
  const args = [
    '-m',
    'mlflow',
    'server',
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
    '--workers',
    '1',
    '--backend-store-uri',
    store,
    '--artifacts-destination',
    options.artifacts ?? join(dir, 'artifacts'),
    ...(options.args ?? []),
  ]
  const url = `http://127.0.0.1:${port}`
  const env = { MLFLOW_ALLOW_FILE_STORE: 'true', MLFLOW_DISABLE_TELEMETRY: 'true', ...options.env }
  return start(pythonOf(environment), args, { dir, url, ready: `${url}/health`, env })
}

/** Starts `cairn-ml server`, as a process of its own, over the local store `store`. */
export async function startCairn({
  dir = tempDir(),
  ...options
}: Pick<MlflowOptions, 'dir' | 'port'> = {}): Promise<Running & { store: string }> {
  const store = join(dir, 'mlruns')
  const port = options.port ?? (await freePort())
  const url = `http://127.0.0.1:${port}`
  const main = join(root, 'src/cli/main.ts')
  const args = ['--import', import.meta.resolve('tsx'), main, 'server', store, '--port', String(port)]
  const env = { TSX_TSCONFIG_PATH: join(root, 'tsconfig.json') }
  return { ...(await start(process.execPath, args, { dir, url, ready: `${url}/health`, env })), store }
}

/** Starts either; our own has its local store whatever the options say. */
export const startServed = (name: Served, options: MlflowOptions): Promise<Running> =>
  name === 'cairn' ? startCairn(options) : startMlflow(name, options)

/** A PostgreSQL of its own with an empty database; `url` is for SQLAlchemy. */
async function startPostgres(): Promise<Running> {
  const bin = postgresBin as string
  const dir = tempDir()
  const port = await freePort()
  const data = join(dir, 'data')
  mkdirSync(data)
  const isRoot = process.getuid?.() === 0
  if (isRoot) execFileSync('chown', ['-R', 'postgres', dir])
  // initdb and the server refuse to be root.
  const as = (command: string, args: string[]): [string, string[]] =>
    isRoot ? ['runuser', ['-u', 'postgres', '--', command, ...args]] : [command, args]
  execFileSync(...as(join(bin, 'initdb'), ['-D', data, '-U', 'mlflow', '-A', 'trust']), { stdio: 'pipe', cwd: dir })
  const [command, args] = as(join(bin, 'postgres'), [
    '-D',
    data,
    '-p',
    String(port),
    '-k',
    dir,
    '-c',
    'listen_addresses=127.0.0.1',
  ])
  const child = spawn(command, args, { cwd: dir, stdio: 'ignore', detached: true })
  const ready = as(join(bin, 'pg_isready'), ['-h', '127.0.0.1', '-p', String(port)])
  for (let tries = 0; ; tries++)
    try {
      execFileSync(...ready, { stdio: 'pipe', cwd: dir })
      break
    } catch (error) {
      if (tries > 150) throw error
      await wait(200)
    }
  const stop = async () => {
    const gone = new Promise((resolve) => child.once('exit', resolve))
    process.kill(-(child.pid as number), 'SIGINT')
    await gone
  }
  return { url: `postgresql+psycopg2://mlflow@127.0.0.1:${port}/postgres`, child, stop }
}

/** An S3 emulator (moto) with a bucket `mlflow`. */
async function startS3(): Promise<Running & { env: Record<string, string> }> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const moto = join(pythonOf('latest'), '..', 'moto_server')
  const running = await start(moto, ['-H', '127.0.0.1', '-p', String(port)], {
    dir: tempDir(),
    url,
    ready: `${url}/moto-api/`,
  })
  const made = await fetch(`${url}/mlflow`, {
    method: 'PUT',
    headers: { authorization: 'AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request' },
  })
  if (!made.ok) throw new Error(`The bucket could not be made: ${made.status} ${await made.text()}`)
  const env = {
    MLFLOW_S3_ENDPOINT_URL: url,
    AWS_ACCESS_KEY_ID: 'k',
    AWS_SECRET_ACCESS_KEY: 's',
    AWS_DEFAULT_REGION: 'us-east-1',
  }
  return { ...running, env }
}

/** The newest MLflow on PostgreSQL, artifacts in S3; all three stop together. */
export async function startMlflowOnPostgres(): Promise<Running> {
  const all: Running[] = []
  const stop = async () => {
    for (const one of all.splice(0).reverse()) await one.stop()
  }
  try {
    const database = await startPostgres()
    all.push(database)
    const s3 = await startS3()
    all.push(s3)
    const store = { store: database.url, artifacts: 's3://mlflow/artifacts', env: s3.env }
    const server = await startMlflow('latest', store)
    all.push(server)
    return { ...server, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
