import { homedir } from 'node:os'
import { join } from 'node:path'
import { isModelId } from './core/names.js'
import { InvalidParameterError } from './errors.js'

type Env = Readonly<Record<string, string | undefined>>

/** All that the environment says, typed once; the only place where `process.env` is read. */
export interface Settings {
  readonly trackingUri: string | undefined
  readonly registryUri: string | undefined
  readonly experimentName: string | undefined
  readonly experimentId: string | undefined
  /** The user that runs are attributed to, when it is not the operating system's. */
  readonly user: string | undefined
  /** More system tags for every run, from `MLFLOW_RUN_CONTEXT`; undefined when that is no JSON object. */
  readonly runContext: Readonly<Record<string, unknown>> | undefined
  /** The logged model of a run's points that name none. */
  readonly activeModelId: string | undefined
  /** Whether over-long values are cut (with a warning) or refused. */
  readonly truncateLongValues: boolean
  readonly suppressUrl: boolean
  readonly http: HttpSettings
  readonly cacheDir: string
  readonly spoolDir: string
  /** How much may wait there, in bytes, 0 for nothing; undefined for a share of the disk, 4 GiB at the most. */
  readonly spoolMaxBytes: number | undefined
  readonly offline: 'fallback' | 'never'
  /** How long a run's end, and the end of a process, wait for a server. */
  readonly endTimeoutMs: number
  /** Whether servers may name folders of this machine; undefined for those on it alone. */
  readonly allowLocalSources: boolean | undefined
  readonly logLevel: string
}

/** How servers are spoken to; MLflow's variables under their meaning there. */
export interface HttpSettings {
  readonly username: string | undefined
  readonly password: string | undefined
  readonly token: string | undefined
  /** MLflow's file of user and password. */
  readonly credentialsFile: string
  /** A way to prove who asks that only Python has: the variable that wants it. */
  readonly foreignAuth: 'MLFLOW_TRACKING_AUTH' | 'MLFLOW_TRACKING_AWS_SIGV4' | undefined
  readonly insecureTls: boolean
  /** A file of certificates to trust. */
  readonly serverCertPath: string | undefined
  /** Files of certificates that are trusted as well, where other programs look for them; what is not there is passed over. */
  readonly caBundles: readonly string[]
  /** A file with our certificate and its key. */
  readonly clientCertPath: string | undefined
  readonly timeoutMs: number
  /** Connections kept open to one server. */
  readonly connections: number
  readonly maxRetries: number
  readonly backoffFactorMs: number
  readonly backoffJitterMs: number
  readonly respectRetryAfter: boolean
  readonly workspace: string | undefined
  readonly httpProxy: string | undefined
  readonly httpsProxy: string | undefined
  readonly noProxy: string | undefined
  readonly databricks: {
    readonly host: string | undefined
    readonly token: string | undefined
    readonly profile: string | undefined
    readonly configFile: string
  }
}

/** Reads a switch as MLflow does: `true`, `false`, `1`, `0`, in any case; anything else is an `InvalidParameterError`. */
function readBoolean(env: Env, name: string, fallback: boolean): boolean {
  const text = env[name]?.trim().toLowerCase()
  if (text === undefined || text === '') return fallback
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  throw new InvalidParameterError(`${name} is ${JSON.stringify(env[name])}; it must be true, false, 1 or 0`)
}

/** Reads a number, `whole` or not, within bounds; anything else (`15s`, an empty exponent) is an `InvalidParameterError`. */
function readNumber(
  env: Env,
  name: string,
  fallback: number,
  {
    least = 0,
    most = Number.MAX_SAFE_INTEGER,
    whole = false,
    unit = '',
  }: { readonly least?: number; readonly most?: number; readonly whole?: boolean; readonly unit?: string } = {},
): number {
  const text = env[name]?.trim()
  if (text === undefined || text === '') return fallback
  const number = (whole ? /^-?\d+$/ : /^-?\d+(?:\.\d+)?$/).test(text) ? Number(text) : Number.NaN
  if (number >= least && number <= most) return number
  const bounds = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`
  throw new InvalidParameterError(
    `${name} is ${JSON.stringify(text)}; it must be a ${whole ? 'whole' : 'plain'} number ${unit && `of ${unit}, `}${bounds}`,
  )
}

/** One of some words in lower case, given in any. */
function readChoice<T extends string>(env: Env, name: string, choices: readonly T[], fallback: T): T {
  const text = env[name]?.trim()
  if (!text) return fallback
  const known = choices.find((choice) => choice === text.toLowerCase())
  if (known) return known
  throw new InvalidParameterError(`${name} is ${JSON.stringify(text)}; it must be one of ${choices.join(', ')}`)
}

function readObject(env: Env, name: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(env[name] || '{}')
    return typeof value === 'object' && !Array.isArray(value) ? ((value as Record<string, unknown>) ?? {}) : undefined
  } catch {
    // The parser's words quote the text, which may hold a secret.
    return undefined
  }
}

function readModelId(env: Env, name: string): string | undefined {
  const id = env[name] || undefined
  if (id === undefined || isModelId(id)) return id
  throw new InvalidParameterError(`${name} is ${JSON.stringify(id)}; it must be the id of a logged model, like m-…`)
}

/** `name` in either case; the lower one first, as programs that know both do. */
const eitherCase = (env: Env, name: string) => env[name.toLowerCase()] || env[name] || undefined

/** The proxies of each scheme; `ALL_PROXY` stands for those that have none of their own. */
function readProxies(env: Env): Pick<HttpSettings, 'httpProxy' | 'httpsProxy' | 'noProxy'> {
  const all = eitherCase(env, 'ALL_PROXY')
  return {
    // The upper-case name can be set from outside by a request to a CGI program ("httpoxy").
    httpProxy: env.http_proxy || (env.REQUEST_METHOD ? undefined : env.HTTP_PROXY) || all,
    httpsProxy: eitherCase(env, 'HTTPS_PROXY') ?? all,
    noProxy: eitherCase(env, 'NO_PROXY'),
  }
}

function foreignAuth(env: Env): HttpSettings['foreignAuth'] {
  if (env.MLFLOW_TRACKING_AUTH) return 'MLFLOW_TRACKING_AUTH'
  return readBoolean(env, 'MLFLOW_TRACKING_AWS_SIGV4', false) ? 'MLFLOW_TRACKING_AWS_SIGV4' : undefined
}

function caBundles(env: Env): string[] {
  const own = env.REQUESTS_CA_BUNDLE || env.CURL_CA_BUNDLE
  // With a list of its own, Node.js forgets the one that it adds by this name.
  return own ? [own, env.NODE_EXTRA_CA_CERTS ?? ''].filter(Boolean) : []
}

function readHttpSettings(env: Env): HttpSettings {
  const insecureTls = readBoolean(env, 'MLFLOW_TRACKING_INSECURE_TLS', false)
  const serverCertPath = env.MLFLOW_TRACKING_SERVER_CERT_PATH || undefined
  if (insecureTls && serverCertPath)
    throw new InvalidParameterError(
      'MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH contradict each other; unset one of them',
    )
  return {
    username: env.MLFLOW_TRACKING_USERNAME || undefined,
    password: env.MLFLOW_TRACKING_PASSWORD || undefined,
    token: env.MLFLOW_TRACKING_TOKEN?.trim() || undefined,
    credentialsFile: join(homedir(), '.mlflow', 'credentials'),
    foreignAuth: foreignAuth(env),
    insecureTls,
    serverCertPath,
    caBundles: caBundles(env),
    clientCertPath: env.MLFLOW_TRACKING_CLIENT_CERT_PATH || undefined,
    timeoutMs: 1000 * readNumber(env, 'MLFLOW_HTTP_REQUEST_TIMEOUT', 120, { least: 0.001, unit: 'seconds' }),
    connections: Math.floor(readNumber(env, 'MLFLOW_HTTP_POOL_MAXSIZE', 10, { least: 1, most: 1000 })),
    maxRetries: readNumber(env, 'MLFLOW_HTTP_REQUEST_MAX_RETRIES', 7, { most: 10, whole: true }),
    backoffFactorMs: 1000 * readNumber(env, 'MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR', 2, { most: 120, unit: 'seconds' }),
    backoffJitterMs: 1000 * readNumber(env, 'MLFLOW_HTTP_REQUEST_BACKOFF_JITTER', 1, { unit: 'seconds' }),
    respectRetryAfter: readBoolean(env, 'MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER', true),
    workspace: env.MLFLOW_WORKSPACE || undefined,
    ...readProxies(env),
    databricks: {
      host: env.DATABRICKS_HOST || undefined,
      token: env.DATABRICKS_TOKEN || undefined,
      profile: env.DATABRICKS_CONFIG_PROFILE || undefined,
      configFile: env.DATABRICKS_CONFIG_FILE || join(homedir(), '.databrickscfg'),
    },
  }
}

/** How much is told, from all to nothing. */
export const LOG_LEVELS: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/** Reads the settings from an environment; throws `InvalidParameterError` naming the variable that makes no sense. */
export function readSettings(env: Env = process.env): Settings {
  const folder = (variable: string, ...fallback: string[]) => env[variable] || join(homedir(), ...fallback)
  return {
    trackingUri: env.MLFLOW_TRACKING_URI || env.MLFLOW_TRACKING_DIR || undefined,
    registryUri: env.MLFLOW_REGISTRY_URI || env.MLFLOW_REGISTRY_DIR || undefined,
    experimentName: env.MLFLOW_EXPERIMENT_NAME || undefined,
    experimentId: env.MLFLOW_EXPERIMENT_ID || undefined,
    user: env.MLFLOW_TRACKING_USERNAME || undefined,
    runContext: readObject(env, 'MLFLOW_RUN_CONTEXT'),
    activeModelId: readModelId(env, 'MLFLOW_ACTIVE_MODEL_ID') ?? readModelId(env, '_MLFLOW_ACTIVE_MODEL_ID'),
    truncateLongValues: readBoolean(env, 'MLFLOW_TRUNCATE_LONG_VALUES', true),
    suppressUrl: readBoolean(env, 'MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT', false),
    http: readHttpSettings(env),
    cacheDir: env.CAIRN_CACHE_DIR || join(folder('XDG_CACHE_HOME', '.cache'), 'cairn'),
    spoolDir: env.CAIRN_SPOOL_DIR || join(folder('XDG_STATE_HOME', '.local', 'state'), 'cairn', 'spool'),
    spoolMaxBytes: env.CAIRN_SPOOL_MAX_BYTES ? readNumber(env, 'CAIRN_SPOOL_MAX_BYTES', 0) : undefined,
    offline: readChoice(env, 'CAIRN_OFFLINE', ['fallback', 'never'], 'fallback'),
    endTimeoutMs: 1000 * readNumber(env, 'CAIRN_END_TIMEOUT', 10, { least: 1, most: 86_400, unit: 'seconds' }),
    allowLocalSources: env.CAIRN_ALLOW_LOCAL_SOURCES ? readBoolean(env, 'CAIRN_ALLOW_LOCAL_SOURCES', false) : undefined,
    logLevel: readChoice(env, 'CAIRN_LOG_LEVEL', LOG_LEVELS, 'warn'),
  }
}

/** Takes the run id that a parent process left for the next run, so that only one run resumes it (as Python's client). */
export function takeRunId(env: Record<string, string | undefined> = process.env): string | undefined {
  const id = env.MLFLOW_RUN_ID
  delete env.MLFLOW_RUN_ID
  return id || undefined
}

/** Leaves the tracking URI for child processes, as Python's `set_tracking_uri` does. */
export function leaveTrackingUri(uri: string, env: Record<string, string | undefined> = process.env): void {
  env.MLFLOW_TRACKING_URI = uri
}
