import { schemeOf } from '../artifacts/location.js'
import type { DoctorDeps, Found, Look } from '../doctor.js'
import { CairnError, ProtocolError } from '../errors.js'
import { proxyFor } from '../http/proxy.js'
import type { HttpAnswer, Send } from '../http/send.js'
import { httpTransport } from '../transport/http.js'
import type { Transport } from '../transport/transport.js'
import { failed } from './fixes.js'

/** How long a check-up waits, unless the limit of calls is less. */
const PATIENCE_MS = 10_000
const SKEW_LIMIT_MS = 30_000
/** Servers tell whole seconds, and an answer is on its way for a moment. */
const SKEW_TOLD_MS = 2_000
/** Older servers are not tried with Cairn. */
const OLDEST = [2, 9] as const

/** All that has to be well with the server of the runs, in the order in which one thing needs another. */
export function serverChecks(deps: DoctorDeps, send: () => Promise<Send>): Look[] {
  const outcome = trial(send, anExperiment)
  return [
    ...wayChecks(deps, send, outcome),
    {
      name: 'artifacts',
      after: [...ANSWERS, 'authentication'],
      look: async () => artifacts(await outcome(), await send(), deps.sharesDisk),
    },
  ]
}

const ANSWERS = ['proxy', 'reachable']

/** All that has to be well before a server takes a call, whose `outcome` is known. */
export function wayChecks(deps: DoctorDeps, send: () => Promise<Send>, outcome: Trial): Look[] {
  let date: unknown
  const after = ANSWERS

  return [
    { name: 'credentials', look: async () => credentials(await send()) },
    { name: 'proxy', after: ['credentials'], look: async () => proxy((await send()).base, deps) },
    {
      name: 'reachable',
      after: ['proxy'],
      async look() {
        const way = await send()
        const health = await answerOf(way, '/health')
        if (health instanceof CairnError) return fromAfar(health, way)
        date = health.headers.date
        return { status: 'ok', detail: `${way.base} answers` }
      },
    },
    { name: 'clock', after, look: () => clock(date, deps.now()) },
    { name: 'host check', after, look: async () => hostCheck(await outcome()) },
    { name: 'path', after: [...after, 'host check'], look: async () => path(outcome, await send()) },
    { name: 'server', after: [...after, 'path'], look: async () => server(await send()) },
    {
      name: 'authentication',
      after: [...after, 'host check', 'path'],
      look: async () => authentication(await outcome(), await send()),
    },
  ]
}

const patience = ({ timeoutMs }: Send): number => Math.min(PATIENCE_MS, timeoutMs)

/** The answer to a GET, or the refusal that is one too. */
async function answerOf(send: Send, path: string): Promise<HttpAnswer | CairnError> {
  try {
    return await send.text({ method: 'GET', path, idempotent: true, timeoutMs: patience(send) })
  } catch (error) {
    if (error instanceof CairnError && error.status !== undefined) return error
    throw error
  }
}

/** Something answered, though not as MLflow's own server does: whether that is one, other checks tell. */
function fromAfar(error: CairnError, { base }: Send): Found {
  if ((error.status ?? 0) >= 500) return failed(error)
  return { status: 'ok', detail: `${base} answers (${error.status} to /health)` }
}

/** The way is open, so all that it is made of could be read; what could not is thrown there. */
function credentials({ base, keysFrom }: Send): Found {
  const half = keysFrom()
  if (!half?.includes('is not sent')) return { status: 'ok', detail: `what is set for ${base} can be read` }
  return { status: 'warn', detail: `what is set for ${base} lacks ${half}`, fix: 'set both, or neither' }
}

/** A proxy's address may hold a password: only its host is shown. */
function proxy(base: string, { proxies }: DoctorDeps): Found {
  const address = proxyFor(base, proxies)
  if (address !== undefined)
    return { status: 'ok', detail: `${new URL(address).host} stands between, as HTTPS_PROXY or HTTP_PROXY has it` }
  const named = proxies.httpProxy ?? proxies.httpsProxy
  return { status: 'ok', detail: named ? 'this server is reached without one' : 'none is set' }
}

function clock(date: unknown, now: number): Found {
  const theirs = typeof date === 'string' ? Date.parse(date) : Number.NaN
  if (Number.isNaN(theirs)) return { status: 'ok', detail: 'the server does not say its time' }
  const skew = now - theirs
  if (Math.abs(skew) < SKEW_TOLD_MS) return { status: 'ok', detail: 'the server has the same time' }
  const detail = `${Math.round(Math.abs(skew) / 1000)} s ${skew < 0 ? 'behind' : 'ahead of'} the server`
  if (Math.abs(skew) <= SKEW_LIMIT_MS) return { status: 'ok', detail }
  return { status: 'warn', detail, fix: 'set the clock: points carry the time of this machine' }
}

const VERSION = /^\s*(\d+)\.(\d+)[\w.+-]*\s*$/

async function server(send: Send): Promise<Found> {
  const [version, info] = await Promise.all(
    ['/version', '/api/3.0/mlflow/server-info'].map((path) => answerOf(send, path)),
  )
  const named = VERSION.exec(textOf(version))
  const store = /"store_type"\s*:\s*"(\w+)"/.exec(textOf(info))?.[1]
  if (!named) return { status: 'ok', detail: 'it does not tell its version, as managed services do not' }
  const detail = `MLflow ${named[0].trim()}${store ? ` on ${store}` : ''}`
  const [major, minor] = [Number(named[1]), Number(named[2])]
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    return { status: 'warn', detail, fix: `update the server: Cairn is tried with ${OLDEST.join('.')} and later` }
  return { status: 'ok', detail }
}

const textOf = (answer: HttpAnswer | CairnError | undefined): string =>
  answer === undefined || answer instanceof CairnError ? '' : answer.text

/** What came of one call that needs all of it: where the artifacts are that it tells of, or the reason why not. */
export type Outcome = { readonly location: string | undefined } | { readonly error: CairnError }

const anExperiment = async (there: Transport): Promise<string | undefined> =>
  (await there.call('searchExperiments', { max_results: 1 })).experiments[0]?.artifact_location

/** Tries the call, at another place where one is given. */
export type Trial = (elsewhere?: Send) => Promise<Outcome>

/** One try for all who ask, without waiting for better times. */
export function trial(send: () => Promise<Send>, call: (there: Transport) => Promise<string | undefined>): Trial {
  let asked: Promise<Outcome> | undefined
  async function tried(open: Send | Promise<Send>): Promise<Outcome> {
    try {
      const way = await open
      const text: Send['text'] = (request) => way.text({ ...request, timeoutMs: patience(way) })
      return { location: await call(httpTransport({ send: { ...way, text } })) }
    } catch (error) {
      if (error instanceof CairnError) return { error }
      throw error
    }
  }
  return (elsewhere) => {
    if (elsewhere) return tried(elsewhere)
    asked ??= tried(send())
    return asked
  }
}

function hostCheck(outcome: Outcome): Found {
  if ('error' in outcome && outcome.error instanceof ProtocolError && /Host header/i.test(outcome.error.message))
    return failed(outcome.error)
  return { status: 'ok', detail: 'the server knows the name it is called by' }
}

/** A server that tells its version stands where it should; what it lacks then, it is too old for. */
async function path(outcomeAt: Trial, send: Send): Promise<Found> {
  const outcome = await outcomeAt()
  if (!('error' in outcome)) return { status: 'ok', detail: `the API of MLflow is at ${send.base}` }
  if (outcome.error instanceof ProtocolError) return failed(outcome.error)
  if (outcome.error.code !== 'ENDPOINT_NOT_FOUND' || VERSION.test(textOf(await answerOf(send, '/version'))))
    return { status: 'ok', detail: 'nothing speaks against it' }
  const tail = /\/(?:ajax-)?api(?:\/\d\.\d)?(?:\/mlflow)?\/*$/i.exec(send.base)?.[0]
  const wrong = `the path in the tracking URI is wrong: something answers, but there is no MLflow at ${send.base}`
  const fail = (detail: string, fix: string): Found => ({ status: 'fail', detail, fix })
  if (tail) return fail(wrong, `take ${tail} off the end of MLFLOW_TRACKING_URI: it is added to it`)
  const { origin } = new URL(send.base)
  const root: Send = { ...send, base: origin, text: (request) => send.text({ ...request, origin }) }
  if (origin !== send.base && !('error' in (await outcomeAt(root))))
    return fail(
      `${wrong}; there is one at ${origin}`,
      `set MLFLOW_TRACKING_URI to ${origin}: MLflow 2 serves its API without its --static-prefix`,
    )
  return fail(
    wrong,
    'correct the path in MLFLOW_TRACKING_URI: the --static-prefix of the server (none for MLflow 2, whose API has none), or what a proxy has in its place',
  )
}

/** Whether the check-up alone ran out of patience, where a call would wait on. */
const isSlow = (error: CairnError, { timeoutMs }: Send): boolean =>
  timeoutMs > PATIENCE_MS && error.message.endsWith(`did not answer within ${PATIENCE_MS} ms`)

const SLOW = `a search took longer than ${PATIENCE_MS / 1000} s`

function authentication(outcome: Outcome, send: Send): Found {
  if (!('error' in outcome)) return { status: 'ok', detail: 'the server takes our requests' }
  const found = failed(outcome.error, send.keysFrom())
  if (!isSlow(outcome.error, send)) return found
  return { ...found, status: 'warn', detail: `${SLOW}; calls wait up to ${send.timeoutMs / 1000} s` }
}

async function artifacts(outcome: Outcome, send: Send, sharesDisk: boolean): Promise<Found> {
  if ('error' in outcome)
    return isSlow(outcome.error, send)
      ? { status: 'skip', detail: `not looked at, as experiments tell where they are: ${SLOW}` }
      : failed(outcome.error)
  const { location } = outcome
  if (location === undefined) return { status: 'ok', detail: 'there is no experiment yet to tell' }
  const scheme = schemeOf(location)
  if (scheme === 'mlflow-artifacts') {
    const listed = await answerOf(send, '/api/2.0/mlflow-artifacts/artifacts?path=cairn-doctor')
    const isThere = !(listed instanceof CairnError) || (listed.status === 404 && listed.code !== 'ENDPOINT_NOT_FOUND')
    if (isThere) return { status: 'ok', detail: 'through the server' }
    if (listed.code !== 'FEATURE_DISABLED')
      return {
        status: 'fail',
        detail: `the server cannot list artifacts at ${location}: ${listed.message}`,
        fix: 'look at the log of the server: whether it reaches its --artifacts-destination, with which credentials',
      }
    return {
      status: 'fail',
      detail: `experiments name ${location}, but the server serves no artifacts: ${listed.message}`,
      fix: 'start the server with --serve-artifacts',
    }
  }
  if (scheme === 'file' && sharesDisk)
    return { status: 'ok', detail: `in ${location}, a folder that the server and this machine share` }
  if (scheme === 'file')
    return {
      status: 'fail',
      detail: `the server names ${location}, a folder of its own machine`,
      fix: 'start the server with --serve-artifacts and an --artifacts-destination, and use a new experiment; where both share that folder, set CAIRN_ALLOW_LOCAL_SOURCES=true',
    }
  return {
    status: 'warn',
    detail: `directly at ${scheme}:`,
    fix: `register a store for ${scheme}: with registerArtifactStore`,
  }
}
