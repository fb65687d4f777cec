import type { CairnError } from '../errors.js'
import type { Deliverer } from '../spool/deliverer.js'
import type { Written } from '../spool/log.js'
import type { Hands, Job } from './hands.js'
import { type FromWorker, heard, newShared, sharedNumbers, type ToWorker } from './shared.js'
import { waits } from './waits.js'

/** The thread that delivers, as its jobs see it. */
export interface DeliveringThread {
  readonly post: (message: ToWorker) => void
  /** Whether it is gone, and nobody answers any more. */
  readonly isLost: () => boolean
  /** Who delivers then. */
  readonly fallback: Pick<Hands, 'deliver'>
}

/** What this thread knows of a job that another delivers. */
export interface WorkerJob {
  readonly deliverer: Deliverer
  begin(): void
  /** The other thread is gone: goes on in this one, or throws while it cannot. */
  fallBack(): void
  hear(message: Extract<FromWorker, { job: number }>): void
}

/** How often a blocked thread looks whether the server is away. */
const POLL_MS = 10
const TELL_MS = 1_000
const STOP_MS = 1_000
const MOST_REFUSALS = 100

/** A job under this number in another thread; `job.watch` is told here what happens there. */
export function workerJob(id: number, job: Job, { post, isLost, fallback }: DeliveringThread): WorkerJob {
  const memory = newShared()
  const shared = sharedNumbers(memory)
  const { watch, run, log } = job
  let runId = run.local ? undefined : run.runId
  let refusals: CairnError[] = []
  let lastError: CairnError | undefined
  /** The delivery in this thread, once the other is gone. */
  let inner: Deliverer | undefined
  let hurried = 0
  let isOver = false
  const waiting = waits()
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
    const told = waiting.answer(() => post(message), ms)
    if (isLost()) waiting.giveUp()
    return told
  }

  async function until(target: Written, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (inner) return inner.until(target, timeoutMs, signal)
    const begun = performance.now()
    if (!isDone(target)) {
      hurry(target)
      notify()
      await waiting.until(() => isDone(target) || inner !== undefined || isOver, timeoutMs, signal)
      calm(target)
    }
    const taken = successor()
    if (taken) return taken.until(target, Math.max(0, timeoutMs - (performance.now() - begun)), signal)
    await whenTold({ tell: id }, TELL_MS)
    return isDone(target)
  }

  function untilNow(target: Written, timeoutMs: number): boolean {
    if (inner) return inner.untilNow(target, timeoutMs)
    const begun = performance.now()
    notify()
    hurry()
    // A server that is away is not waited for: what is left is on disk.
    while (!isDone(target) && !shared.away() && performance.now() - begun < timeoutMs) shared.waitForProgress(POLL_MS)
    return isDone(target)
  }

  function hurry(until?: Written): void {
    hurried++
    if (inner) inner.hurry()
    else post({ hurry: id, on: true, until })
  }

  function calm(until?: Written): void {
    hurried--
    if (inner) inner.calm()
    else post({ hurry: id, on: false, until })
  }

  const deliverer: Deliverer = {
    wake: notify,
    look() {
      notify()
      if (inner) inner.look()
      else post({ look: id })
    },
    hurry: () => hurry(),
    calm: () => calm(),
    untilNow,
    get progress() {
      if (inner) {
        const { deliveredChores, ...progress } = inner.progress
        // What the other thread had delivered is no more known to be one.
        return { ...progress, deliveredChores: deliveredChores + shared.progress().deliveredChores }
      }
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
      if (inner) return inner.lastError
      // A failure that passed without an outage is told here, and its passing is not.
      return shared.away() ? lastError : undefined
    },
    isDone,
    until,
    finished,
    async stop() {
      if (inner) await inner.stop()
      else if (!isOver) await whenTold({ stop: id }, STOP_MS)
    },
  }

  function hear(message: Extract<FromWorker, { job: number }>): void {
    waiting.look()
    switch (message.event) {
      case 'retry':
        lastError = heard(message.error)
        watch.onRetry?.(lastError, message.ms)
        break
      case 'refused': {
        const error = heard(message.error)
        if (refusals.length < MOST_REFUSALS) refusals.push(error)
        watch.onRefused?.(error, message.count)
        break
      }
      case 'spooled':
        watch.onSpooled?.(heard(message.error))
        break
      case 'recovered':
        lastError = undefined
        watch.onRecovered?.()
        break
      case 'damaged':
        watch.onDamaged?.(message.stretches)
        break
      case 'mapped':
        runId = message.runId
        watch.onMapped?.(message.runId)
        break
      case 'told':
        waiting.answered()
        break
      case 'finished':
        isOver = true
        finish(message.complete)
        waiting.look()
        break
      case 'reached':
        break
    }
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
      waiting.giveUp()
    },
    hear,
  }
}
