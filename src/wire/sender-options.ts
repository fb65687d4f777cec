import { join } from 'node:path'
import { databricksProfile, mlflowCredentials } from '../core/ini.js'
import { factsBehind, namesIn, readText } from '../disk/files.js'
import { InvalidParameterError, NotFoundError } from '../errors.js'
import type { Auth } from '../http/auth.js'
import { checkedValue } from '../http/auth.js'
import type { Dispatcher, SenderOptions } from '../http/send.js'
import { parseAddress } from '../http/url.js'
import type { HttpSettings } from '../settings.js'

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

/** Where all that is needed to speak to a server comes from, beside the settings. */
export interface SenderOrigins extends RemoteOptions {
  /** The settings as they are by now, when a server takes the credentials no more. */
  readonly renew?: (() => HttpSettings) | undefined
  readonly warn: (message: string) => void
}

const CREDENTIALS_LIMIT = 1 << 20
const BUNDLE_LIMIT = 1 << 23

/** How the server at a tracking or registry URI is spoken to: its address, credentials, certificates and proxy. */
export async function senderOptions(
  uri: string,
  settings: HttpSettings,
  options: SenderOrigins,
): Promise<SenderOptions> {
  const isDatabricks = /^databricks:/i.test(uri)
  const { renew, auth } = options
  if (auth === undefined && settings.foreignAuth)
    throw new InvalidParameterError(
      `${settings.foreignAuth} asks for a way to prove who asks that only Python's client has; unset it, or give the client an auth function that makes the headers`,
      { notSent: true },
    )
  let place = auth === undefined ? undefined : 'the auth option of the client'
  const ownKeys = async (from: HttpSettings): Promise<Auth | undefined> => {
    // Credentials in the address win over those of the environment, as with Python's requests.
    if (!isDatabricks && parseAddress(uri).credentials) return undefined
    const keys = isDatabricks ? databricksKeys(await databricks(uri, from)) : await ownCredentials(from)
    if (keys) place = keys.place
    return keys?.auth
  }
  return {
    url: isDatabricks ? (await databricks(uri, settings)).url : uri,
    auth: auth ?? (await ownKeys(settings)),
    renew: auth === undefined && renew ? () => ownKeys(renew()) : undefined,
    keysFrom: () => place,
    headers: options.headers,
    workspace: settings.workspace,
    tls: {
      ca: (await authorities(settings.serverCertPath)) ?? (await bundles(settings)),
      clientCert: await ownCertificate(settings.clientCertPath),
      insecure: settings.insecureTls,
    },
    proxy: { httpProxy: settings.httpProxy, httpsProxy: settings.httpsProxy, noProxy: settings.noProxy },
    // undici takes no fraction.
    timeoutMs: Math.ceil(options.timeoutMs ?? settings.timeoutMs),
    connections: settings.connections,
    dispatcher: options.dispatcher,
    warn: options.warn,
  }
}

/** Credentials, and where they stand. */
interface Keys {
  /** Absent for half of a pair, which is not sent. */
  readonly auth?: Auth
  readonly place: string
}

/** User and password each from the environment, else from MLflow's file; they win over a token, as in Python's client. */
async function ownCredentials(settings: HttpSettings): Promise<Keys | undefined> {
  const fromFile = settings.username && settings.password ? {} : await credentialsFile(settings.credentialsFile)
  const username = settings.username ?? fromFile.username
  const password = settings.password ?? fromFile.password
  if (username !== undefined && password !== undefined) {
    const name = settings.username === undefined ? 'mlflow_tracking_username' : 'MLFLOW_TRACKING_USERNAME'
    const secret = settings.password === undefined ? 'mlflow_tracking_password' : 'MLFLOW_TRACKING_PASSWORD'
    const isInFile = settings.username === undefined || settings.password === undefined
    const place = `${name} and ${secret}${isInFile ? ` in ${settings.credentialsFile}` : ''}`
    return { auth: { username, password }, place }
  }
  const token = 'MLFLOW_TRACKING_TOKEN'
  if (settings.token !== undefined) return { auth: { token: checkedValue(settings.token, token) }, place: token }
  if (username !== undefined) return { place: lacking('MLFLOW_TRACKING_PASSWORD', 'user') }
  return password === undefined ? undefined : { place: lacking('MLFLOW_TRACKING_USERNAME', 'password') }
}

const lacking = (name: string, other: string): string => `${name}, without which the ${other} is not sent`

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

function databricksKeys({ token, username, password, place }: Workspace): Keys {
  if (token) return { auth: { token }, place }
  if (username && password) return { auth: { username, password }, place }
  throw new InvalidParameterError(
    `There is no Databricks token in ${place}; set one, or give the client an auth function that fetches one`,
  )
}

/** People copy the host from a browser: what comes after its path is dropped. */
const https = (host: string): string =>
  (/^https?:\/\//i.test(host) ? host : `https://${host}`).trim().replace(/[?#].*$/s, '')

type Unusable = (why: string, cause?: unknown) => InvalidParameterError

/** A file that has to hold a certificate, and how to say that it cannot be used. */
async function pem(file: string, variable: string, holds: string): Promise<{ text: string; unusable: Unusable }> {
  if ((await factsBehind(file))?.kind !== 'file')
    throw new NotFoundError(`${variable} names ${file}, where there is no file`)
  const text = await readText(file, CREDENTIALS_LIMIT)
  const unusable: Unusable = (why, cause) =>
    new InvalidParameterError(`${variable} names ${file}, ${why}`, { cause, notSent: true })
  if (/-----BEGIN ([A-Z0-9]+ )?CERTIFICATE-----/.test(text)) return { text, unusable }
  throw unusable(
    `a file without a certificate in PEM; it has to hold ${holds}, and openssl x509 -inform DER -in ${file} prints one in DER as PEM`,
  )
}

/** Our certificate and key; what no connection can be made with is refused here, where the name of its file is known. */
async function ownCertificate(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  const holds = 'a certificate and its key'
  const { text, unusable } = await pem(file, 'MLFLOW_TRACKING_CLIENT_CERT_PATH', holds)
  const { createSecureContext } = await import('node:tls')
  try {
    createSecureContext({ cert: text, key: text })
    return text
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    // By the kind of the key and the version of OpenSSL.
    if (/BAD_DECRYPT|BAD_PASSWORD|INTERRUPTED_OR_CANCELLED/.test(code))
      throw unusable(`whose key has a passphrase; openssl pkey -in ${file} prints the key without it`, error)
    if (/KEY_VALUES_MISMATCH/.test(code)) throw unusable('whose certificate and key do not belong together', error)
    throw unusable(`which cannot be read (${code}); it has to hold ${holds}, in PEM`, error)
  }
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
  return path && (await pem(path, 'MLFLOW_TRACKING_SERVER_CERT_PATH', 'the certificate of an authority')).text
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
