import { Worker } from 'node:worker_threads'
import type { CairnError } from '../errors.js'
import type { HttpSettings } from '../settings.js'
import type { Deliverer } from '../spool/deliverer.js'
import { asError } from '../spool/failures.js'
import type { Written } from '../spool/log.js'
import type { Hands, HandsOptions, Job } from './hands.js'
import { rhythm } from './rhythm.js'
import { type FromWorker, heard, newShared, sharedNumbers, type ToWorker, told, type WorkerStart } from './shared.js'

export interface WorkerHandsOptions extends HandsOptions {
  readonly start: WorkerStart
  /** The settings as they are now, when the server takes the old credentials no more. */
  readonly renew: () => HttpSettings
  /** Who delivers when the thread is gone, and what it cannot do. */
  readonly fallback: Hands
}

/** How often a blocked thread looks whether the server is away. */
const POLL_MS = 10
/** How often one that waits looks by itself; it is told when all that is logged is done with. */
const LOOK_MS = 250
const TELL_MS = 1_000
const STOP_MS = 1_000
const LOST_MS = 250

/** Delivers in a thread of its own, also while the event loop of this one stands still. It never keeps the process alive. */
export function workerHands(file: URL, options: WorkerHandsOptions): Hands {
  const { start, fallback, warn, outage, courier, place } = options
  const jobs = new Map<number, ReturnType<typeof proxied>>()
  const looks = rhythm(LOOK_MS)
  let serial = 0
  let isLooking = false
  let worker: Worker | undefined
  let isLost = false
  let renewedAt = Number.NEGATIVE_INFINITY
  let hasClosed = (): void => {}

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
  function takeOver(job: ReturnType<typeof proxied>): void {
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
    else jobs.get(message.job)?.hear(message)
  }

  function renew(): void {
    // Once in a while: the same credentials are refused again.
    if (performance.now() - renewedAt < 1000) return
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
      const limit = setTimeout(resolve, STOP_MS)
      hasClosed = () => {
        clearTimeout(limit)
        resolve()
      }
      post({ close: true })
    })
  }

  function proxied(id: number, job: Job) {
    const memory = newShared()
    const shared = sharedNumbers(memory)
    const { watch, run, log } = job
    let runId = run.local ? undefined : run.runId
    let refusals: CairnError[] = []
    let lastError: CairnError | undefined
    let inner: Deliverer | undefined
    let hurried = 0
    /** Who waits for an answer, in the order in which they asked. */
    const asking: (() => void)[] = []
    const sleepers = new Set<() => void>()
    let finish: (complete: boolean) => void = () => {}
    const finished = new Promise<boolean>((resolve) => {
      finish = resolve
    })
    const successor = (): Deliverer | undefined => inner
    const done = () => inner?.done ?? shared.done()
    const isDone = ({ points, steps }: Written) => done().points >= points && done().steps >= steps

    function notify(): void {
      if (inner) inner.wake()
      else log.stir(false)
    }

    /** All that happened before is known when this resolves: numbers are seen at once, reasons come as messages. */
    function whenTold(message: ToWorker, ms: number): Promise<void> {
      return new Promise((resolve) => {
        const limit = setTimeout(resolve, ms)
        asking.push(() => {
          clearTimeout(limit)
          resolve()
        })
        post(message)
        if (isLost) answerAll()
      })
    }

    function answerAll(): void {
      for (const answer of asking.splice(0)) answer()
    }

    const wakeAll = () => {
      for (const look of sleepers) look()
    }

    /** Waits for the other thread, at most so long; each look costs CPU that the training may want. */
    function whenSeen(isSeen: () => boolean, ms: number): Promise<void> {
      return new Promise((resolve) => {
        const look = () => {
          if (isSeen()) end()
        }
        const end = () => {
          clearTimeout(limit)
          sleepers.delete(look)
          looks.delete(look)
          resolve()
        }
        const limit = setTimeout(end, ms)
        sleepers.add(look)
        looks.add(look)
      })
    }

    async function until(target: Written, timeoutMs: number): Promise<boolean> {
      if (inner) return inner.until(target, timeoutMs)
      const begun = performance.now()
      if (!isDone(target)) {
        deliverer.hurry()
        notify()
        await whenSeen(() => isDone(target) || inner !== undefined || !jobs.has(id), timeoutMs)
        deliverer.calm()
      }
      const taken = successor()
      if (taken) return taken.until(target, Math.max(0, timeoutMs - (performance.now() - begun)))
      await whenTold({ tell: id }, TELL_MS)
      return isDone(target)
    }

    const deliverer: Deliverer = {
      wake: notify,
      look() {
        notify()
        if (inner) inner.look()
        else post({ look: id })
      },
      hurry() {
        hurried++
        if (inner) inner.hurry()
        else post({ hurry: id, on: true })
      },
      calm() {
        hurried--
        if (inner) inner.calm()
        else post({ hurry: id, on: false })
      },
      untilNow(target, timeoutMs) {
        if (inner) return inner.untilNow(target, timeoutMs)
        const begun = performance.now()
        notify()
        deliverer.hurry()
        // A server that is away is not waited for: what is left is on disk.
        while (!isDone(target) && !shared.away() && performance.now() - begun < timeoutMs)
          shared.waitForProgress(POLL_MS)
        return isDone(target)
      },
      get progress() {
        if (inner) return inner.progress
        const { points, steps } = log.written
        return { ...shared.progress(), logged: points + steps }
      },
      runId: () => inner?.runId() ?? runId,
      refusals() {
        const all = [...refusals, ...(inner?.refusals() ?? [])]
        refusals = []
        return all
      },
      get done() {
        return done()
      },
      get lastError() {
        return inner?.lastError ?? lastError
      },
      isDone,
      until,
      finished,
      async stop() {
        if (inner) await inner.stop()
        else if (jobs.has(id)) await whenTold({ stop: id }, STOP_MS)
      },
    }

    return {
      deliverer,
      begin() {
        const { dir, elders = [] } = job
        post({ deliver: id, dir, run, elders, generation: 0, log: log.memory.buffer, shared: memory })
        log.watchedBy({ stir: () => post({ stir: id }), key: (name) => post({ key: id, name }) })
      },
      fallBack() {
        log.watchedBy(undefined)
        inner = fallback.deliver(job)
        for (let n = 0; n < hurried; n++) inner.hurry()
        inner.look()
        void inner.finished.then(finish)
        answerAll()
        wakeAll()
      },
      hear(message: Extract<FromWorker, { job: number }>) {
        wakeAll()
        if (message.event === 'retry') {
          lastError = heard(message.error)
          watch.onRetry?.(lastError, message.ms)
        } else if (message.event === 'refused') {
          const error = heard(message.error)
          if (refusals.length < 100) refusals.push(error)
          watch.onRefused?.(error, message.count)
        } else if (message.event === 'spooled') watch.onSpooled?.(heard(message.error))
        else if (message.event === 'recovered') {
          lastError = undefined
          watch.onRecovered?.()
        } else if (message.event === 'damaged') watch.onDamaged?.(message.stretches)
        else if (message.event === 'mapped') {
          runId = message.runId
          watch.onMapped?.(message.runId)
        } else if (message.event === 'told') asking.shift()?.()
        else if (message.event === 'finished') {
          jobs.delete(id)
          finish(message.complete)
          wakeAll()
        }
      },
    }
  }

  return {
    deliver(job) {
      if (isLost) return fallback.deliver(job)
      const id = serial++
      const made = proxied(id, job)
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
