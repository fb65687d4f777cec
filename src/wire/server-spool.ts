import type { OpenArtifacts } from '../artifacts/store.js'
import type { BatchLimits } from '../core/batch.js'
import { TimeoutError } from '../errors.js'
import type { HttpSettings, Settings } from '../settings.js'
import type { Courier } from '../spool/courier.js'
import { PATIENT_MS, serverIds } from '../spool/ids.js'
import { outageOf } from '../spool/outage.js'
import { serverPlace, withoutSecrets } from '../spool/place.js'
import { roomOf } from '../spool/room.js'
import type { Transport } from '../transport/transport.js'
import { ownHands } from './hands.js'
import type { Logger } from './logger.js'
import type { RemoteOptions } from './remote.js'
import { openSpool, type Spool } from './spool.js'
import { watchedHands } from './watched-hands.js'
import { workerFile } from './worker-file.js'
import { workerHands } from './worker-hands.js'

export interface ServerSpoolOptions {
  readonly spoolDir: string
  readonly settings: Settings
  readonly remote: RemoteOptions
  readonly logger: Logger
  /** Says what its client has not said yet. */
  readonly warnOnce: (message: string) => void
  /** Whether a user's own transport leads to the server. */
  readonly isPluggedIn: boolean
  readonly registryUri: string
  /** A transport that tries each call once. */
  readonly once: (uri: string) => Promise<Transport>
  /** Opens what the server names, in one try. */
  readonly openNamedPlace: OpenArtifacts
  /** The settings as they are by now, when the server takes the credentials no more. */
  readonly renew: () => HttpSettings
  /** The most that a request carries. */
  readonly limits: BatchLimits | undefined
}

const MAIN_THREAD = 'what is logged is delivered from the main thread, and waits on disk while its event loop is busy'
const isBuilt = !`${import.meta.url}`.endsWith('.ts')
let isThreadMissed = false

/** Said once: that points come late has a reason, and one of the reasons can be helped. */
function tellOfThread(logger: Logger, isOwn: boolean): void {
  if (isThreadMissed) return
  isThreadMissed = true
  if (isOwn)
    logger.info(`A transport, dispatcher or auth function of your own cannot go to another thread: ${MAIN_THREAD}`)
  else if (isBuilt)
    logger.warn(
      `spool-worker.js of cairn-ml is not beside the code that was bundled: ${MAIN_THREAD}; leave cairn-ml out of the bundle (external), or copy the file next to it`,
    )
}

/** The spool of a server, delivered by a thread of its own where it can be, else by this one. */
export function serverSpool(uri: string, options: ServerSpoolOptions): Spool {
  const { settings, logger, warnOnce, isPluggedIn, registryUri, once, openNamedPlace, renew, limits } = options
  const { auth, headers, timeoutMs, dispatcher } = options.remote
  const place = serverPlace(options.spoolDir, uri, {
    workspace: settings.http.workspace,
    maxBytes: settings.spoolMaxBytes,
  })
  const closing = new AbortController()
  let carrying: Promise<Courier> | undefined

  async function newCourier(): Promise<Courier> {
    const { carrier } = await import('./carrier.js')
    return carrier({
      transport: await once(uri),
      openArtifacts: openNamedPlace,
      serverRunId: serverIds(place, PATIENT_MS).of,
      registryAt: (address) => once(withoutSecrets(registryUri) === address ? registryUri : address),
      user: settings.user,
      closing: closing.signal,
    })
  }

  function courier(): Promise<Courier> {
    carrying ??= newCourier().catch((error: unknown) => {
      carrying = undefined
      throw error
    })
    return carrying
  }

  const warn = (message: string) => logger.warn(message)
  const outage = outageOf(place.uri, logger)
  const own = ownHands({ place, courier, warn, outage, connections: settings.http.connections, limits })
  // What is a user's own cannot go to another thread.
  const isOwn = isPluggedIn || dispatcher !== undefined || typeof auth === 'function'
  const file = workerFile(() => new URL('./spool-worker.js', import.meta.url))
  const about = { place, room: roomOf(place).memory }

  /** This thread; another one writes down what it leaves in memory while it is busy. */
  function here() {
    const hands = isOwn && file ? watchedHands(file, own, { start: { ...about, lookout: true }, warn }) : own
    const deliver: typeof own.deliver = (job) => {
      tellOfThread(logger, isOwn)
      return hands.deliver(job)
    }
    return { ...hands, deliver }
  }

  const remote = { auth, headers, timeoutMs }
  const start = { ...about, outage: outage.nth, uri, http: settings.http, remote, limits }
  const hands =
    isOwn || !file ? here() : workerHands(file, { place, courier, warn, warnOnce, outage, start, renew, fallback: own })
  const onClose = () => closing.abort(new TimeoutError('The client was closed before this was through'))
  return openSpool({ place, hands, courier, warn, outage, onClose })
}
