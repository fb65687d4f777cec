import { homedir } from 'node:os'
import { join } from 'node:path'
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
  /** More system tags for every run, from `MLFLOW_RUN_CONTEXT`. */
  readonly runContext: Readonly<Record<string, string>>
  /** Whether over-long values are cut (with a warning) or refused. */
  readonly truncateLongValues: boolean
  readonly suppressUrl: boolean
  readonly systemMetrics: boolean
  readonly cacheDir: string
  readonly spoolDir: string
  readonly offline: 'fallback' | 'never'
  readonly logLevel: string
}

/** Reads a switch as MLflow does: `true`, `false`, `1`, `0`, in any case; anything else is an `InvalidParameterError`. */
export function readBoolean(env: Env, name: string, fallback: boolean): boolean {
  const text = env[name]?.trim().toLowerCase()
  if (text === undefined || text === '') return fallback
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  throw new InvalidParameterError(`${name} is ${JSON.stringify(env[name])}; it must be true, false, 1 or 0`)
}

/** Reads a number of at least `least`; anything else (`15s`, an empty exponent) is an `InvalidParameterError`. */
export function readNumber(env: Env, name: string, fallback: number, least = 0): number {
  const text = env[name]?.trim()
  if (text === undefined || text === '') return fallback
  const number = /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (!(number >= least))
    throw new InvalidParameterError(
      `${name} is ${JSON.stringify(text)}; it must be a plain number of at least ${least}`,
    )
  return number
}

function readChoice<T extends string>(env: Env, name: string, choices: readonly T[], fallback: T): T {
  const text = env[name]?.trim()
  if (!text) return fallback
  const known = choices.find((choice) => choice === text)
  if (known) return known
  throw new InvalidParameterError(`${name} is ${JSON.stringify(text)}; it must be one of ${choices.join(', ')}`)
}

function readTags(env: Env, name: string): Record<string, string> {
  const text = env[name]
  if (!text) return {}
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, String(of)]))
  } catch {
    // Said below, without the parser's words: they quote the text, which may hold a secret.
  }
  throw new InvalidParameterError(`${name} must be a JSON object of texts, like {"team": "growth"}`)
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** Reads the settings from an environment; throws `InvalidParameterError` naming the variable that makes no sense. */
export function readSettings(env: Env = process.env): Settings {
  const folder = (variable: string, ...fallback: string[]) => env[variable] || join(homedir(), ...fallback)
  return {
    trackingUri: env.MLFLOW_TRACKING_URI || env.MLFLOW_TRACKING_DIR || undefined,
    registryUri: env.MLFLOW_REGISTRY_URI || env.MLFLOW_REGISTRY_DIR || undefined,
    experimentName: env.MLFLOW_EXPERIMENT_NAME || undefined,
    experimentId: env.MLFLOW_EXPERIMENT_ID || undefined,
    user: env.MLFLOW_TRACKING_USERNAME || undefined,
    runContext: readTags(env, 'MLFLOW_RUN_CONTEXT'),
    truncateLongValues: readBoolean(env, 'MLFLOW_TRUNCATE_LONG_VALUES', true),
    suppressUrl: readBoolean(env, 'MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT', false),
    systemMetrics: readBoolean(env, 'MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING', false),
    cacheDir: env.CAIRN_CACHE_DIR || join(folder('XDG_CACHE_HOME', '.cache'), 'cairn'),
    spoolDir: env.CAIRN_SPOOL_DIR || join(folder('XDG_STATE_HOME', '.local', 'state'), 'cairn', 'spool'),
    offline: readChoice(env, 'CAIRN_OFFLINE', ['fallback', 'never'], 'fallback'),
    logLevel: readChoice(env, 'CAIRN_LOG_LEVEL', LEVELS, 'warn'),
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
