import { join } from 'node:path'
import type { OpenArtifacts } from '../artifacts/store.js'
import { databricksProfile, mlflowCredentials } from '../core/ini.js'
import { factsBehind, namesIn, readText } from '../disk/files.js'
import { CairnError, InvalidParameterError, NetworkError, NotFoundError, ProtocolError } from '../errors.js'
import type { Auth, Dispatcher, Send, SenderOptions } from '../http/send.js'
import { parseAddress } from '../http/url.js'
import type { HttpSettings } from '../settings.js'
import { NO_WAY } from '../spool/failures.js'
import type { Transport } from '../transport/transport.js'

/** How a client speaks to servers, where it differs from what the environment says. */
export interface RemoteOptions {
  /**
   * User and password, a bearer token, or a function that gives the headers for a request. A function cannot go to another
   * thread: what is logged then leaves from the main one, and waits on disk while a loop that never yields keeps that busy.
   */
  readonly auth?: Auth | undefined
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** An undici dispatcher of your own, for a proxy, a pool or a test; you close it. It stays in the main thread, as an auth function. */
  readonly dispatcher?: Dispatcher | undefined
  /** Longest time of one call, in milliseconds; 120,000 by default. */
  readonly timeoutMs?: number | undefined
  /** How often a call that failed is tried again (7), and for how long in all, in milliseconds (300,000). */
  readonly retry?: { readonly maxRetries?: number | undefined; readonly budgetMs?: number | undefined } | undefined
}

interface Watched extends RemoteOptions {
  /** The settings as they are by now, when a server takes the credentials no more. */
  readonly renew?: (() => HttpSettings) | undefined
  readonly warn: (message: string) => void
}

/** The way to one MLflow server: its API, and the artifacts behind it. */
export interface Remote {
  readonly send: Send
  readonly transport: Transport
  readonly artifacts: OpenArtifacts
  /** Gives up after seconds, for a start that can also go on without the server. */
  readonly impatient: Transport
  /** One try for each call, on connections that never keep a process alive: for what has its own way to try again. */
  readonly once: Transport
  /** The artifacts, as `impatient` and as `once`. */
  readonly impatientArtifacts: OpenArtifacts
  readonly artifactsOnce: OpenArtifacts
}

/** How long a start waits for its server, and what goes by the spool for a connection: a black hole answers nothing at all. */
const START_MS = 5_000
/** Longest time for one request of the spool: one that is too slow for it is sent again and looked up. */
const ONCE_MS = 30_000
const CREDENTIALS_LIMIT = 1 << 20
const BUNDLE_LIMIT = 1 << 23

/** Opens the way to a server; undici and the rest of the remote half are loaded here, not before. */
export async function openRemote(uri: string, settings: HttpSettings, options: Watched): Promise<Remote> {
  const [{ sender }, { httpTransport }, { withRetry }, { withFilterPlace }, { proxied }] = await Promise.all([
    import('../http/send.js'),
    import('../transport/http.js'),
    import('../transport/retry.js'),
    import('../transport/filter-place.js'),
    import('../artifacts/proxied.js'),
  ])
  const how = await senderOptions(uri, settings, options)
  const send = sender(how)
  const background = sender({
    ...how,
    background: true,
    connectTimeoutMs: START_MS,
    timeoutMs: Math.min(how.timeoutMs ?? ONCE_MS, ONCE_MS),
  })
  // What is sent as a file may take its time; it is the silence in between that is limited.
  const carrying = sender({ ...how, background: true })
  const starting = sender({
    ...how,
    connectTimeoutMs: START_MS,
    timeoutMs: Math.min(how.timeoutMs ?? ONCE_MS, ONCE_MS),
  })
  const filing = sender({ ...how, connectTimeoutMs: START_MS })
  const { retry } = options
  const rules = {
    attempts: 1 + (retry?.maxRetries ?? settings.maxRetries),
    ...(retry?.budgetMs === undefined ? {} : { budgetMs: retry.budgetMs }),
    factorMs: settings.backoffFactorMs,
    jitterMs: settings.backoffJitterMs,
    respectRetryAfter: settings.respectRetryAfter,
  }
  const close = async () =>
    void (await Promise.all([send, background, carrying, starting, filing].map((one) => one.close())))
  const patient = withRetry(httpTransport({ send }), { rules })
  const transport = { ...withFilterPlace(patient), close }
  const fewer = { ...rules, attempts: 3, budgetMs: START_MS, factorMs: 500, jitterMs: 250 }
  const impatient = withRetry(httpTransport({ send: starting }), { rules: fewer })
  const single = { ...rules, attempts: 1 }
  const once = unjudged(withRetry(httpTransport({ send: background }), { rules: single }))
  const impatientArtifacts = proxied(filing, { rules: fewer })
  const artifactsOnce = proxied(carrying, { rules: single })
  return { send, transport, artifacts: proxied(send, { rules }), impatient, once, impatientArtifacts, artifactsOnce }
}

/** What no server has said is no judgement on what it was to be sent, as a header that cannot be sent: that may change. */
const unjudged = (inner: Transport): Transport => ({
  ...inner,
  call: (...of) =>
    inner.call(...of).catch((error: unknown) => {
      const isSaid = !(error instanceof CairnError) || error.status !== undefined || error.retryable
      if (isSaid || error instanceof NetworkError || error instanceof ProtocolError) throw error
      throw new NetworkError(error.message, { cause: error, notSent: true, code: NO_WAY })
    }),
})

async function senderOptions(uri: string, settings: HttpSettings, options: Watched): Promise<SenderOptions> {
  const isDatabricks = /^databricks:/i.test(uri)
  const { renew, auth } = options
  if (auth === undefined && settings.foreignAuth)
    throw new InvalidParameterError(
      `${settings.foreignAuth} asks for a way to prove who asks that only Python's client has; unset it, or give the client an auth function that makes the headers`,
      { notSent: true },
    )
  const ownKeys = async (from: HttpSettings): Promise<Auth | undefined> => {
    if (isDatabricks) return databricksKeys(await databricks(uri, from))
    // Credentials in the address win over those of the environment, as with Python's requests.
    return parseAddress(uri).credentials ? undefined : ownCredentials(from)
  }
  return {
    url: isDatabricks ? (await databricks(uri, settings)).url : uri,
    auth: auth ?? (await ownKeys(settings)),
    renew: auth === undefined && renew ? () => ownKeys(renew()) : undefined,
    headers: options.headers,
    workspace: settings.workspace,
    tls: {
      ca: (await authorities(settings.serverCertPath)) ?? (await bundles(settings)),
      clientCert: await pem(settings.clientCertPath, 'MLFLOW_TRACKING_CLIENT_CERT_PATH'),
      insecure: settings.insecureTls,
    },
    proxy: { httpProxy: settings.httpProxy, httpsProxy: settings.httpsProxy, noProxy: settings.noProxy },
    timeoutMs: options.timeoutMs ?? settings.timeoutMs,
    connections: settings.connections,
    dispatcher: options.dispatcher,
    warn: options.warn,
  }
}

/** User and password each from the environment, else from MLflow's file; they win over a token, as in Python's client. */
async function ownCredentials(settings: HttpSettings): Promise<Auth | undefined> {
  const fromFile = settings.username && settings.password ? {} : await credentialsFile(settings.credentialsFile)
  const username = settings.username ?? fromFile.username
  const password = settings.password ?? fromFile.password
  if (username !== undefined && password !== undefined) return { username, password }
  return settings.token === undefined ? undefined : { token: settings.token }
}

async function credentialsFile(file: string): Promise<ReturnType<typeof mlflowCredentials>> {
  return (await factsBehind(file)) ? mlflowCredentials(await readText(file, CREDENTIALS_LIMIT)) : {}
}

interface Workspace {
  readonly url: string
  readonly token?: string | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** What was looked at. */
  readonly place: string
}

async function databricks(uri: string, { databricks: settings }: HttpSettings): Promise<Workspace> {
  const profile = /^databricks:\/\/([^/:]+)/i.exec(uri)?.[1] ?? settings.profile
  const { host, token, configFile } = settings
  const variables = 'DATABRICKS_HOST and DATABRICKS_TOKEN'
  if (profile === undefined && host !== undefined && token !== undefined)
    return { url: https(host), token, place: variables }
  const found = (await factsBehind(configFile))
    ? databricksProfile(await readText(configFile, CREDENTIALS_LIMIT), profile)
    : undefined
  const place = `the profile ${profile ?? 'DEFAULT'} of ${configFile}`
  if (found?.host) return { ...found, url: https(found.host), place }
  if (profile === undefined && host !== undefined) return { url: https(host), place: variables }
  throw new NotFoundError(
    profile === undefined
      ? `There is no Databricks host: set ${variables}, or ${place}`
      : `There is no Databricks host in ${place}: write host and token into it, for a profile takes nothing from DEFAULT`,
  )
}

function databricksKeys({ token, username, password, place }: Workspace): Auth {
  if (token) return { token }
  if (username && password) return { username, password }
  throw new InvalidParameterError(
    `There is no Databricks token in ${place}; set one, or give the client an auth function that fetches one`,
  )
}

/** People copy the host from a browser: what comes after its path is dropped. */
const https = (host: string): string =>
  (/^https?:\/\//i.test(host) ? host : `https://${host}`).trim().replace(/[?#].*$/s, '')

async function pem(file: string | undefined, variable: string): Promise<string | undefined> {
  if (file === undefined) return undefined
  if ((await factsBehind(file))?.kind !== 'file')
    throw new NotFoundError(`${variable} names ${file}, where there is no file`)
  return readText(file, CREDENTIALS_LIMIT)
}

/** Certificates in a file, or in all files of a folder, which Python's requests takes as well. */
async function certificates(path: string): Promise<string[]> {
  if ((await factsBehind(path))?.kind !== 'directory') return [await readText(path, BUNDLE_LIMIT)]
  const texts: string[] = []
  for (const name of await namesIn(path)) {
    const file = join(path, name)
    if ((await factsBehind(file))?.kind === 'file') texts.push(await readText(file, BUNDLE_LIMIT))
  }
  return [...new Set(texts.filter((text) => text.includes('-----BEGIN CERTIFICATE-----')))]
}

async function authorities(path: string | undefined): Promise<string | undefined> {
  if (path !== undefined && (await factsBehind(path))?.kind === 'directory') {
    const found = await certificates(path)
    if (found.length > 0) return found.join('\n')
    throw new NotFoundError(`MLFLOW_TRACKING_SERVER_CERT_PATH names ${path}, a folder without a certificate`)
  }
  return pem(path, 'MLFLOW_TRACKING_SERVER_CERT_PATH')
}

/** Python's requests trusts the bundle that its variable names; here it adds to what Node.js trusts by itself. */
async function bundles({ caBundles, insecureTls }: HttpSettings): Promise<string | undefined> {
  const texts: string[] = []
  for (const file of insecureTls ? [] : caBundles)
    if (await factsBehind(file)) texts.push(...(await certificates(file)))
  if (texts.length === 0) return undefined
  const { rootCertificates } = await import('node:tls')
  return [...rootCertificates, ...texts].join('\n')
}
