import { isLocal, schemeOf } from './artifacts/location.js'
import { factsBehind } from './disk/files.js'
import { tree } from './disk/tree.js'
import { canWrite } from './disk/write.js'
import { CairnError, isRetryable, UnauthenticatedError } from './errors.js'
import type { HttpAnswer, Send } from './http/send.js'
import type { CacheInfo } from './models/cache.js'
import type { Transport } from './transport/transport.js'

/** One thing that was looked at. */
export interface Check {
  readonly name: string
  /** `warn` works today and may not tomorrow; `skip` could not be looked at because of another failure. */
  readonly status: 'ok' | 'warn' | 'fail' | 'skip'
  /** What was found. */
  readonly detail: string
  /** What to do, unless all is well. */
  readonly fix?: string
}

/** What a check-up looks at. */
export interface DoctorDeps {
  readonly trackingUri: string
  readonly registryUri: string
  /** Whether the address was given, or is the default. */
  readonly chosen: boolean
  readonly transport: () => Promise<Transport>
  /** The way to the server, when the tracking URI is one. */
  readonly send: (() => Promise<Send>) | undefined
  /** The proxy that stands before the server, if any. */
  readonly proxy: string | undefined
  readonly cache: () => Promise<CacheInfo>
  readonly spoolDir: string
  /** Epoch milliseconds. */
  readonly now: () => number
}

type Found = Omit<Check, 'name'>
type Look = () => Found | Promise<Found>

const SKEW_LIMIT_MS = 30_000
const SPOOL_FIX = 'send it with: npx cairn-ml sync'

/** Looks at all that has to be well for runs to arrive and models to load; never throws because something is not. */
export async function doctor(deps: DoctorDeps): Promise<Check[]> {
  const remote = deps.send === undefined ? [] : serverChecks(deps, deps.send)
  const looks: [string, Look][] = [
    ['tracking URI', () => trackingUri(deps)],
    ...(isLocal(deps.trackingUri) ? ([['store', () => localStore(deps)]] as [string, Look][]) : remote),
    ['cache', () => cache(deps)],
    ['spool', () => spool(deps)],
  ]
  const checks: Check[] = []
  for (const [name, look] of looks) {
    const blocked = checks.find(({ name: other, status }) => other === 'reachable' && status === 'fail')
    const needsServer = remote.some(([other]) => other === name)
    checks.push({
      name,
      ...(blocked && needsServer ? { status: 'skip', detail: 'the server cannot be reached' } : await safely(look)),
    })
  }
  return checks
}

async function safely(look: Look): Promise<Found> {
  try {
    return await look()
  } catch (error) {
    return { status: 'fail', detail: error instanceof Error ? error.message : String(error), fix: fixFor(error) }
  }
}

function fixFor(error: unknown): string {
  if (error instanceof UnauthenticatedError)
    return 'set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN'
  if (isRetryable(error)) return 'check that the server runs and that this machine reaches it'
  return 'change what the message names'
}

async function trackingUri({ trackingUri: uri, registryUri, chosen }: DoctorDeps): Promise<Found> {
  const detail = registryUri === uri ? uri : `${uri}, registry ${registryUri}`
  if (!chosen && (await factsBehind('mlflow.db')))
    return {
      status: 'warn',
      detail: `${detail} (the default), beside an mlflow.db of Python's client`,
      fix: 'serve that database with mlflow server --backend-store-uri sqlite:///mlflow.db, and set MLFLOW_TRACKING_URI',
    }
  return { status: 'ok', detail: chosen ? detail : `${detail} (the default)` }
}

async function localStore({ trackingUri: root, transport }: DoctorDeps): Promise<Found> {
  if (!(await factsBehind(root))) return { status: 'ok', detail: `${root} is made with the first run` }
  if (!canWrite(root)) return { status: 'fail', detail: `${root} may not be written`, fix: 'check owner and mode' }
  const { experiments } = await (await transport()).call('searchExperiments', { max_results: 50_000, view_type: 'ALL' })
  return { status: 'ok', detail: `${experiments.length} experiments; Python needs MLFLOW_ALLOW_FILE_STORE=true` }
}

function serverChecks(deps: DoctorDeps, send: () => Promise<Send>): [string, Look][] {
  let health: HttpAnswer | undefined
  return [
    [
      'reachable',
      async () => {
        const way = await send()
        health = await way.text({ method: 'GET', path: '/health', idempotent: true, timeoutMs: 10_000 })
        return { status: 'ok', detail: `${way.base} answers` }
      },
    ],
    ['proxy', () => proxy(deps)],
    ['clock', () => clock(health, deps.now())],
    [
      'server',
      async () => {
        const answer = await (await send()).text({ method: 'GET', path: '/version', idempotent: true }).catch(absent)
        return { status: 'ok', detail: answer ? `MLflow ${answer.text.trim()}` : 'MLflow of unknown version' }
      },
    ],
    [
      'authentication and host check',
      async () => {
        await (await deps.transport()).call('searchExperiments', { max_results: 1 })
        return { status: 'ok', detail: 'the server takes our requests' }
      },
    ],
    ['artifacts', () => artifactMode(deps)],
  ]
}

/** A proxy's address may hold a password: only its host is shown. */
function proxy({ proxy: address }: DoctorDeps): Found {
  if (address === undefined) return { status: 'ok', detail: 'none is set' }
  const host = address.replace(/^[a-z]+:\/\//i, '').replace(/^.*@/, '')
  return { status: 'ok', detail: `${host} stands between, unless NO_PROXY names the server` }
}

function absent(error: unknown): undefined {
  if (error instanceof CairnError && error.status === 404) return undefined
  throw error
}

function clock(health: HttpAnswer | undefined, now: number): Found {
  const date = health?.headers.date
  const theirs = typeof date === 'string' ? Date.parse(date) : Number.NaN
  if (Number.isNaN(theirs)) return { status: 'ok', detail: 'the server does not say its time' }
  const skew = now - theirs
  const detail = `${(Math.abs(skew) / 1000).toFixed(1)} s ${skew < 0 ? 'behind' : 'ahead of'} the server`
  if (Math.abs(skew) <= SKEW_LIMIT_MS) return { status: 'ok', detail }
  return { status: 'warn', detail, fix: 'set the clock: points carry the time of this machine' }
}

async function artifactMode({ transport }: DoctorDeps): Promise<Found> {
  const { experiments } = await (await transport()).call('searchExperiments', { max_results: 1 })
  const location = experiments[0]?.artifact_location
  if (location === undefined) return { status: 'ok', detail: 'there is no experiment yet to tell' }
  const scheme = schemeOf(location)
  if (scheme === 'mlflow-artifacts') return { status: 'ok', detail: 'through the server' }
  if (scheme === 'file')
    return {
      status: 'fail',
      detail: `the server names ${location}, a folder of its own machine`,
      fix: 'start the server with --serve-artifacts and an --artifacts-destination, and use a new experiment',
    }
  return {
    status: 'warn',
    detail: `directly at ${scheme}:`,
    fix: `register a store for ${scheme}: with registerArtifactStore`,
  }
}

async function cache({ cache: info }: DoctorDeps): Promise<Found> {
  const { dir, bytes, entries } = await info()
  return { status: 'ok', detail: `${entries.length} models, ${(bytes / 1e6).toFixed(1)} MB in ${dir}` }
}

async function spool({ spoolDir }: DoctorDeps): Promise<Found> {
  const found = (await factsBehind(spoolDir)) ? await tree(spoolDir) : []
  // Who copies a store right now is kept there as well.
  const waiting = found.filter(({ path }) => !path.startsWith('sync/'))
  const bytes = waiting.reduce((sum, { size }) => sum + size, 0)
  if (bytes === 0) return { status: 'ok', detail: 'nothing waits' }
  return { status: 'warn', detail: `${bytes} bytes wait in ${spoolDir}`, fix: SPOOL_FIX }
}
