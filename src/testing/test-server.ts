import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileArtifacts } from '../artifacts/file.js'
import { checkOptions, isRecord, isSomeText, listOf, numberThat, type Rule, type Rules, rule } from '../core/options.js'
import { makeDirs, removeAll } from '../disk/files.js'
import { removeDir } from '../disk/write.js'
import { InvalidParameterError } from '../errors.js'
import { serverApp } from '../server/app.js'
import { pathOf } from '../server/asked.js'
import { listen } from '../server/listen.js'
import { subjectOf } from '../server/table.js'
import { fileTransport } from '../transport/file/file.js'
import type { Operation } from '../transport/transport.js'
import { type Fault, type Faults, faultScript, suffer } from './faults.js'

/** How a test server differs from the usual one. */
export interface TestServerOptions {
  /** Default: any port that is free. It listens on 127.0.0.1 alone. */
  readonly port?: number | undefined
  /** `Host` headers to answer beside `127.0.0.1:<port>` and `localhost:<port>`, exactly. */
  readonly hosts?: readonly string[] | undefined
  /**
   * Where runs and artifacts are kept; default: a folder of its own that `close`, or else the end of the process, removes. A
   * given one stays.
   */
  readonly dir?: string | undefined
  /** Faults to begin with. */
  readonly faults?: readonly Fault[] | undefined
  /** Credentials without which all but `/health` is a 401, as with MLflow's basic authentication. */
  readonly credentials?:
    | { readonly username: string; readonly password: string }
    | { readonly token: string }
    | undefined
}

/** Nothing of it is shown. */
const areCredentials: Rule = (value, name) => {
  const names = isRecord(value) ? Object.keys(value).sort().join() : ''
  const isWhole = (names === 'token' || names === 'password,username') && isRecord(value)
  // A password may be empty.
  const isTold = ([key, one]: [string, unknown]) => typeof one === 'string' && (key === 'password' || one.trim() !== '')
  if (isWhole && Object.entries(value).every(isTold)) return
  throw new InvalidParameterError(`${name} must be { username, password } or { token }, of texts that are not blank`)
}

const isHost = rule(
  'a host as it stands in a Host header, like ml.example.com:5000',
  (value) => typeof value === 'string' && /^[^\s/@?#]+$/.test(value),
)

const OPTIONS: Rules<TestServerOptions> = {
  port: numberThat(
    'a whole number from 0 to 65535',
    (value) => Number.isInteger(value) && value >= 0 && value <= 65_535,
  ),
  hosts: listOf('host names', isHost),
  dir: isSomeText,
  // What is in it is checked where a fault is armed.
  faults: listOf('faults', () => {}),
  credentials: areCredentials,
}

const ownDirs = new Set<string>()

/** One listener for all: a test may start dozens. */
function removeAtExit(dir: string): void {
  if (ownDirs.size === 0) process.once('exit', removeOwnDirs)
  ownDirs.add(dir)
}

function isRemoved(dir: string): void {
  ownDirs.delete(dir)
  if (ownDirs.size === 0) process.off('exit', removeOwnDirs)
}

function removeOwnDirs(): void {
  for (const dir of ownDirs)
    try {
      removeDir(dir)
    } catch {
      // How the process ends is for the tests to say.
    }
}

/** A request the server was sent. */
export interface TestRequest {
  readonly method: string
  readonly url: string
  /** The operation it means, `artifacts` for the artifact proxy; absent when it is neither. */
  readonly operation: Operation | 'artifacts' | undefined
  /** The status it was answered with; absent when it was not answered. */
  readonly status: number | undefined
}

/** An MLflow server in this process, for tests of programs that log to one. */
export interface TestServer {
  /** For `MLFLOW_TRACKING_URI` or `setTrackingUri`. */
  readonly url: string
  /** What goes wrong, and when. */
  readonly faults: Faults
  /** All requests, oldest first. */
  readonly requests: readonly TestRequest[]
  /** Stops listening and removes what it kept, when the folder is its own. */
  close(): Promise<void>
  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts a server on loopback that answers MLflow's REST API and artifact proxy from a folder of this machine, and
 * misbehaves by script. `await using server = await startTestServer()` ends it with the block. Rejects with
 * `InvalidParameterError` for an option that makes no sense, `NetworkError` for a port that is taken.
 */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  checkOptions('A test server takes options, like { port: 5000 }', options, OPTIONS)
  const faults = faultScript()
  for (const fault of options.faults ?? []) faults.add(fault)
  const dir = options.dir ?? join(tmpdir(), `cairn-test-server-${randomUUID()}`)
  if (options.dir === undefined) removeAtExit(dir)
  await makeDirs(dir, 0o700)
  const artifacts = fileArtifacts(join(dir, 'artifacts'))
  const transport = fileTransport({
    root: join(dir, 'mlruns'),
    artifactRoot: 'mlflow-artifacts:/',
    async listArtifacts(uri, path) {
      const root = uri.replace(/^mlflow-artifacts:\/*/i, '')
      const entries = await artifacts.list([root, path].filter(Boolean).join('/'))
      return entries.map(({ path: at, isDir, size }) => ({
        path: at.slice(root.length + 1),
        is_dir: isDir,
        ...(isDir ? {} : { file_size: size }),
      }))
    },
  })
  const requests: TestRequest[] = []
  const named = (options.hosts ?? []).map((host) => host.toLowerCase())
  let port = 0
  const app = serverApp({
    transport,
    artifacts,
    hosts: () => [`127.0.0.1:${port}`, `localhost:${port}`, ...named],
    storeType: 'FileStore',
    version: '3.17.0',
  })

  const listening = await listen(
    async (request, bindings) => {
      const { method = 'GET', url = '/' } = bindings.incoming
      const operation = subjectOf(app, method, pathOf(url))
      const fault = faults.next(operation)
      let status: number | undefined
      try {
        // A fault may carry a request out twice: its body is read once, before.
        const body = fault && method !== 'GET' && method !== 'HEAD' ? await request.arrayBuffer() : undefined
        const again = () =>
          body === undefined
            ? request
            : new Request(request.url, { method: request.method, headers: request.headers, body })
        const handle = async () =>
          stranger(url, request.headers.get('authorization'), options.credentials) ?? app.fetch(again(), bindings)
        const reply = await (fault ? suffer(fault, handle) : handle())
        if (reply !== 'hang up') {
          status = reply.status
          return reply
        }
        bindings.incoming.socket.destroy()
        return new Response()
      } finally {
        requests.push({ method, url, operation, status })
      }
    },
    { port: options.port },
  )
  port = listening.port

  async function close(): Promise<void> {
    faults.end()
    await listening.close()
    await transport.close()
    if (options.dir !== undefined) return
    await removeAll(dir)
    isRemoved(dir)
  }
  return { url: `http://127.0.0.1:${port}`, faults, requests, close, [Symbol.asyncDispose]: close }
}

function stranger(
  url: string,
  authorization: string | null,
  credentials: TestServerOptions['credentials'],
): Response | undefined {
  if (!credentials || url === '/health') return undefined
  const wanted =
    'token' in credentials
      ? `Bearer ${credentials.token}`
      : `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
  if (authorization === wanted) return undefined
  const said =
    'You are not authenticated. Please see https://www.mlflow.org/docs/latest/auth/index.html on how to authenticate.'
  const headers = { 'content-type': 'text/plain', 'www-authenticate': 'Basic realm="mlflow"' }
  return new Response(said, { status: 401, headers })
}
