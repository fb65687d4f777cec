import { refusals } from '../core/refusals.js'
import type { CairnError } from '../errors.js'
import type { Deliverer } from '../spool/deliverer.js'
import type { Written } from '../spool/log.js'
import type { Job } from './hands.js'
import { hearing, type JobNews, type ToWorker } from './messages.js'
import { newShared, sharedNumbers } from './shared-numbers.js'
import { heard } from './told-error.js'
import { waits } from './waits.js'

/** The thread that delivers, as its jobs see it. */
export interface DeliveringThread {
  readonly post: (message: ToWorker) => void
  /** Whether it is gone, and nobody answers any more. */
  readonly isLost: () => boolean
}

/** A delivery by another thread, as this one sees it. */
export interface RemoteDelivery {
  readonly deliverer: Deliverer
  begin(): void
  hear(message: JobNews): void
  /** It goes on elsewhere: nobody waits for this one any more. */
  leave(): void
}

/** How often a blocked thread looks whether the server is away. */
const POLL_MS = 10
const TELL_MS = 1_000
const STOP_MS = 1_000

/** Delivers a job under this number in another thread; `job.watch` is told here what happens there. */
export function remoteDelivery(id: number, job: Job, { post, isLost }: DeliveringThread): RemoteDelivery {
  const memory = newShared()
  const shared = sharedNumbers(memory)
  const { dir, elders = [], watch, run, log } = job
  let runId = run.local ? undefined : run.runId
  const reasons = refusals()
  let lastError: CairnError | undefined
  let isOver = false
  let isLeft = false
  const waiting = waits()
  let finish: (complete: boolean) => void = () => {}
  const finished = new Promise<boolean>((resolve) => {
    finish = resolve
  })
  const isDone = (target: Written): boolean => {
    const { points, steps } = shared.done()
    return points >= target.points && steps >= target.steps
  }
  const wake = () => log.stir(false)
  const hurry = (until?: Written) => post({ word: 'hurry', job: id, until })
  const calm = (until?: Written) => post({ word: 'calm', job: id, until })

  /** All that happened before is known when this resolves: numbers are seen at once, reasons come as messages. */
  function whenTold(word: 'tell' | 'stop', ms: number): Promise<void> {
    const told = waiting.answer(() => post({ word, job: id }), ms)
    if (isLost()) waiting.giveUp()
    return told
  }

  const deliverer: Deliverer = {
    wake,
    look() {
      wake()
      post({ word: 'look', job: id })
    },
    hurry: () => hurry(),
    calm: () => calm(),
    untilNow(target, timeoutMs) {
      const begun = performance.now()
      wake()
      hurry()
      // A server that is away is not waited for: what is left is on disk.
      while (!isDone(target) && !shared.away() && performance.now() - begun < timeoutMs) shared.waitForProgress(POLL_MS)
      return isDone(target)
    },
    get progress() {
      return shared.progress()
    },
    refusals: reasons.take,
    runId: () => runId,
    get done() {
      return shared.done()
    },
    get lastError() {
      // A failure that passed without an outage is told here, and its passing is not.
      return shared.away() ? lastError : undefined
    },
    isDone,
    async until(target, timeoutMs, signal) {
      if (!isDone(target)) {
        hurry(target)
        wake()
        await waiting.until(() => isDone(target) || isLeft || isOver, timeoutMs, signal)
        calm(target)
      }
      if (!isLeft) await whenTold('tell', TELL_MS)
      return isDone(target)
    },
    finished,
    async stop() {
      if (!isOver) await whenTold('stop', STOP_MS)
    },
  }

  const hearNews = hearing<JobNews>({
    retry({ error, ms }) {
      lastError = heard(error)
      watch.onRetry?.(lastError, ms)
    },
    refused({ error: told, count }) {
      const error = heard(told)
      reasons.add(error)
      watch.onRefused?.(error, count)
    },
    spooled: ({ error }) => watch.onSpooled?.(heard(error)),
    recovered() {
      lastError = undefined
      watch.onRecovered?.()
    },
    damaged: ({ stretches }) => watch.onDamaged?.(stretches),
    mapped(message) {
      runId = message.runId
      watch.onMapped?.(runId)
    },
    told: () => waiting.answered(),
    finished({ complete }) {
      isOver = true
      finish(complete)
      waiting.look()
    },
    reached() {},
  })

  return {
    deliverer,
    begin() {
      post({ word: 'deliver', job: id, dir, run, elders, generation: 0, log: log.memory.buffer, shared: memory })
      log.watchedBy({
        stir: () => post({ word: 'stir', job: id }),
        key: (name) => post({ word: 'key', job: id, name }),
      })
    },
    hear(message) {
      waiting.look()
      hearNews(message)
    },
    leave() {
      isLeft = true
      waiting.giveUp()
    },
  }
}
