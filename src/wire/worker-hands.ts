import { TimeoutError } from '../errors.js'
import type { HttpSettings } from '../settings.js'
import { asError } from '../spool/failures.js'
import type { Hands, HandsOptions } from './hands.js'
import { type FromWorker, hearing, type Of, type ServerNews, type ToWorker, type WorkerStart } from './messages.js'
import { thread } from './thread.js'
import { told } from './told-error.js'
import { type WorkerJob, workerJob } from './worker-job.js'

export interface WorkerHandsOptions extends HandsOptions {
  readonly start: WorkerStart
  /** Says what its client may have said already. */
  readonly warnOnce: (message: string) => void
  /** The settings as they are now, when the server takes the old credentials no more. */
  readonly renew: () => HttpSettings
  /** Delivers once the thread is gone, and does what that cannot do. */
  readonly fallback: Hands
}

const CLOSE_MS = 1_000
const LOST_MS = 250
/** The same credentials are refused again: once in a while is enough. */
const RENEW_MS = 1_000

/** Delivers in a thread of its own, also while the event loop of this one stands still. It never keeps the process alive. */
export function workerHands(file: URL, options: WorkerHandsOptions): Hands {
  const { start, fallback, warn, warnOnce, outage, courier, place } = options
  const jobs = new Map<number, WorkerJob>()
  const uploads = new Map<number, AbortController>()
  let serial = 0
  let isLooking = false
  let renewedAt = Number.NEGATIVE_INFINITY
  let hasClosed = (): void => {}
  const other = thread<ToWorker, FromWorker>(file, { name: 'cairn-spool', start, hear, onLost })
  const delivering = { post: other.post, isLost: () => other.isLost, fallback }

  /** What it had in hand goes on here. */
  function onLost(error: Error | undefined): void {
    hasClosed()
    warn(
      `The thread that delivers to ${place.uri} has ended${error ? ` (${error.message})` : ''}; what is logged is delivered from the main thread`,
    )
    for (const job of jobs.values()) takeOver(job)
    if (isLooking) fallback.lookForLeft(false)
  }

  /** Not at once where the disk cannot be read now: too many open files, say. */
  function takeOver(job: WorkerJob): void {
    try {
      job.fallBack()
    } catch {
      setTimeout(() => takeOver(job), LOST_MS).unref()
    }
  }

  const hearNews = hearing<ServerNews>({
    warn: ({ message, once }) => (once ? warnOnce : warn)(message),
    down: ({ said }) => outage.down(said),
    up: () => outage.up(),
    unauthenticated: renew,
    upload,
    leave: ({ upload }) => uploads.get(upload)?.abort(new TimeoutError('The upload is waited for no longer')),
    closed: () => hasClosed(),
  })

  function hear(message: FromWorker): void {
    if ('job' in message) {
      jobs.get(message.job)?.hear(message)
      if (message.word === 'finished') jobs.delete(message.job)
    } else hearNews(message)
  }

  function renew(): void {
    if (performance.now() - renewedAt < RENEW_MS) return
    renewedAt = performance.now()
    try {
      other.post({ word: 'renew', http: options.renew() })
    } catch (error) {
      warn(`The settings cannot be read again: ${(error as Error).message}`)
    }
  }

  function upload({ upload, runId, artifact }: Of<ServerNews, 'upload'>): void {
    const given = new AbortController()
    uploads.set(upload, given)
    const how = { again: true, signal: given.signal }
    void (async () => (await courier()).artifact(runId, artifact, how))()
      .then(
        () => other.post({ word: 'uploaded', upload }),
        (error: unknown) => other.post({ word: 'uploaded', upload, error: told(asError(error)) }),
      )
      .finally(() => uploads.delete(upload))
  }

  /** The other thread gives up what it took of processes that are gone: this process lives on, and no other could take it. */
  function whenClosed(): Promise<void> {
    return new Promise((resolve) => {
      const limit = setTimeout(resolve, CLOSE_MS)
      hasClosed = () => {
        clearTimeout(limit)
        resolve()
      }
      other.post({ word: 'close' })
    })
  }

  async function endThread(): Promise<void> {
    if (other.isBegun) await whenClosed()
    await other.end()
  }
  let ending: Promise<void> | undefined

  return {
    deliver(job) {
      if (other.isLost) return fallback.deliver(job)
      const id = serial++
      const made = workerJob(id, job, delivering)
      jobs.set(id, made)
      made.begin()
      return made.deliverer
    },
    lookForLeft(again) {
      if (isLooking && !again) return
      isLooking = true
      if (other.isLost) fallback.lookForLeft(again)
      else other.post({ word: 'lookForLeft', again })
    },
    replay: (how) => fallback.replay(how),
    async close() {
      ending ??= endThread()
      await ending
      await fallback.close()
    },
  }
}
