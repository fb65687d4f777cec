import { Worker } from 'node:worker_threads'
import type { HttpSettings } from '../settings.js'
import { asError } from '../spool/failures.js'
import type { Hands, HandsOptions } from './hands.js'
import { rhythm } from './rhythm.js'
import { type FromWorker, type ToWorker, told, type WorkerStart } from './shared.js'
import { type DeliveringThread, type WorkerJob, workerJob } from './worker-job.js'

export interface WorkerHandsOptions extends HandsOptions {
  readonly start: WorkerStart
  /** The settings as they are now, when the server takes the old credentials no more. */
  readonly renew: () => HttpSettings
  /** Who delivers when the thread is gone, and what it cannot do. */
  readonly fallback: Hands
}

const LOOK_MS = 250
const CLOSE_MS = 1_000
const LOST_MS = 250
/** The same credentials are refused again: once in a while is enough. */
const RENEW_MS = 1_000

/** Delivers in a thread of its own, also while the event loop of this one stands still. It never keeps the process alive. */
export function workerHands(file: URL, options: WorkerHandsOptions): Hands {
  const { start, fallback, warn, outage, courier, place } = options
  const jobs = new Map<number, WorkerJob>()
  let serial = 0
  let isLooking = false
  let worker: Worker | undefined
  let isLost = false
  let renewedAt = Number.NEGATIVE_INFINITY
  let hasClosed = (): void => {}
  const thread: DeliveringThread = { post, isLost: () => isLost, fallback, looks: rhythm(LOOK_MS) }

  function post(message: ToWorker): void {
    if (isLost) return
    if (!worker) {
      // No loader of the program's own: it might wait for the main thread, which may be busy.
      try {
        worker = new Worker(file, { workerData: start, name: 'cairn-spool', execArgv: [] })
      } catch (error) {
        // A thread has files of its own, and there may be none left to open.
        lose(error as Error)
        return
      }
      worker.on('message', hear)
      worker.on('error', (error) => lose(error))
      worker.on('exit', () => lose(undefined))
      worker.unref()
    }
    worker.postMessage(message)
  }

  /** The thread is gone: what it had in hand goes on here. */
  function lose(error: Error | undefined): void {
    if (isLost) return
    isLost = true
    worker = undefined
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

  function hear(message: FromWorker): void {
    if (message.event === 'warn') warn(message.message)
    else if (message.event === 'down') outage.down(message.said)
    else if (message.event === 'up') outage.up()
    else if (message.event === 'unauthenticated') renew()
    else if (message.event === 'upload') upload(message)
    else if (message.event === 'closed') hasClosed()
    else {
      jobs.get(message.job)?.hear(message)
      if (message.event === 'finished') jobs.delete(message.job)
    }
  }

  function renew(): void {
    if (performance.now() - renewedAt < RENEW_MS) return
    renewedAt = performance.now()
    try {
      post({ renew: options.renew() })
    } catch (error) {
      warn(`The settings cannot be read again: ${(error as Error).message}`)
    }
  }

  function upload({ upload: uploaded, runId, artifact }: Extract<FromWorker, { event: 'upload' }>): void {
    const how = { again: true, signal: new AbortController().signal }
    void (async () => (await courier()).artifact(runId, artifact, how))().then(
      () => post({ uploaded }),
      (error: unknown) => post({ uploaded, error: told(asError(error)) }),
    )
  }

  /** The other thread gives up what it took of processes that are gone: this one lives on, and nobody could take it. */
  function whenClosed(): Promise<void> {
    return new Promise((resolve) => {
      const limit = setTimeout(resolve, CLOSE_MS)
      hasClosed = () => {
        clearTimeout(limit)
        resolve()
      }
      post({ close: true })
    })
  }

  return {
    deliver(job) {
      if (isLost) return fallback.deliver(job)
      const id = serial++
      const made = workerJob(id, job, thread)
      jobs.set(id, made)
      made.begin()
      return made.deliverer
    },
    lookForLeft(again) {
      if (isLooking && !again) return
      isLooking = true
      if (isLost) fallback.lookForLeft(again)
      else post({ lookForLeft: again })
    },
    replay: (how) => fallback.replay(how),
    async close() {
      if (worker) await whenClosed()
      isLost = true
      await worker?.terminate()
      await fallback.close()
    },
  }
}
