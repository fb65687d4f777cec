import type { OpenArtifacts } from '../artifacts/store.js'
import { defaultRules } from '../core/retry.js'
import { CairnError, NetworkError, ProtocolError } from '../errors.js'
import type { Send } from '../http/send.js'
import type { HttpSettings } from '../settings.js'
import { NO_WAY } from '../spool/failures.js'
import type { Outage } from '../spool/outage.js'
import type { RetryEvent } from '../transport/retry.js'
import type { Transport } from '../transport/transport.js'
import { type SenderOrigins, senderOptions } from './sender-options.js'

export type { RemoteOptions } from './sender-options.js'

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

/** A call that is given up within this many seconds tells its reason soon enough by its failure. */
const BRIEF_S = 10

/** What a server is spoken to with, and what hears of its outages; nothing by default. */
interface Origins extends SenderOrigins {
  readonly outage?: Pick<Outage, 'heldUp' | 'answered'> | undefined
}

/** Opens the way to a server; undici and the rest of the remote half are loaded here, not before. */
export async function openRemote(uri: string, settings: HttpSettings, options: Origins): Promise<Remote> {
  // One after the other: the loader of Jest fails where two imports at once share a chunk.
  const { sender } = await import('../http/send.js')
  const { inWorkspace } = await import('../http/workspace.js')
  const { httpTransport } = await import('../transport/http.js')
  const { withRetry } = await import('../transport/retry.js')
  const { withFilterPlace } = await import('../transport/filter-place.js')
  const { withMeaning } = await import('../transport/meant.js')
  const { withModelPoints } = await import('../transport/model-points.js')
  const { proxied } = await import('../artifacts/proxied.js')
  const how = await senderOptions(uri, settings, options)
  const checked = inWorkspace(how.workspace)
  const send = checked(sender(how))
  const soon = { connectTimeoutMs: START_MS, timeoutMs: Math.min(how.timeoutMs ?? ONCE_MS, ONCE_MS) }
  const background = checked(sender({ ...how, ...soon, background: true }))
  // What is sent as a file may take its time; it is the silence in between that is limited.
  const carrying = checked(sender({ ...how, background: true }))
  const starting = checked(sender({ ...how, ...soon }))
  const filing = checked(sender({ ...how, connectTimeoutMs: START_MS }))
  const { retry, outage } = options
  const rules = {
    attempts: 1 + (retry?.maxRetries ?? settings.maxRetries),
    ...(retry?.budgetMs === undefined ? {} : { budgetMs: retry.budgetMs }),
    factorMs: settings.backoffFactorMs,
    jitterMs: settings.backoffJitterMs,
    respectRetryAfter: settings.respectRetryAfter,
  }
  const close = async () =>
    void (await Promise.all([send, background, carrying, starting, filing].map((one) => one.close())))
  const seconds = (rules.budgetMs ?? defaultRules.budgetMs) / 1000
  const onLong = ({ operation, error }: RetryEvent) => {
    if (seconds <= BRIEF_S) return
    return outage?.heldUp(
      `${send.base} does not take ${operation}, which is tried again up to ${rules.attempts - 1} times (MLFLOW_HTTP_REQUEST_MAX_RETRIES), for ${seconds} s at the most: ${(error as Error).message}`,
    )
  }
  const over = (way: Send) => withModelPoints(httpTransport({ send: way }), options.warn)
  const patient = withMeaning(withRetry(withFilterPlace(over(send)), { rules, onLong }))
  const transport = { ...heard(patient, outage), close }
  const fewer = { ...rules, attempts: 3, budgetMs: START_MS, factorMs: 500, jitterMs: 250 }
  const impatient = heard(withMeaning(withRetry(over(starting), { rules: fewer })), outage)
  const single = { ...rules, attempts: 1 }
  const once = unjudged(withMeaning(withRetry(over(background), { rules: single })))
  const impatientArtifacts = proxied(filing, { rules: fewer })
  const artifactsOnce = proxied(carrying, { rules: single })
  return { send, transport, artifacts: proxied(send, { rules }), impatient, once, impatientArtifacts, artifactsOnce }
}

/** Tells of each call that its server has carried out. */
const heard = (inner: Transport, outage: Origins['outage']): Transport => ({
  ...inner,
  async call(...of) {
    const output = await inner.call(...of)
    outage?.answered()
    return output
  },
})

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
