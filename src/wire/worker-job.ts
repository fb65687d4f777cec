import type { Deliverer } from '../spool/deliverer.js'
import type { Hands, Job } from './hands.js'
import type { JobNews } from './messages.js'
import { type DeliveringThread, remoteDelivery } from './remote-delivery.js'

/** What this thread knows of a job that another delivers. */
export interface WorkerJob {
  readonly deliverer: Deliverer
  begin(): void
  /** The other thread is gone: goes on in this one, or throws while it cannot. */
  fallBack(): void
  hear(message: JobNews): void
}

/** A job under this number in another thread, and by `fallback` once that is gone. */
export function workerJob(
  id: number,
  job: Job,
  { fallback, ...other }: DeliveringThread & { readonly fallback: Pick<Hands, 'deliver'> },
): WorkerJob {
  const remote = remoteDelivery(id, job, other)
  const before = remote.deliverer
  let now = before
  let hurried = 0
  const hasSuccessor = () => now !== before
  let finish: (complete: boolean) => void = () => {}
  const finished = new Promise<boolean>((resolve) => {
    finish = resolve
  })
  void before.finished.then(finish)

  const deliverer: Deliverer = {
    wake: () => now.wake(),
    look: () => now.look(),
    hurry() {
      hurried++
      now.hurry()
    },
    calm() {
      hurried--
      now.calm()
    },
    untilNow: (target, timeoutMs) => now.untilNow(target, timeoutMs),
    get progress() {
      const { progress } = now
      if (!hasSuccessor()) return progress
      // The disk says how much the other thread has delivered, and not how much of that nobody logged.
      return { ...progress, deliveredChores: progress.deliveredChores + before.progress.deliveredChores }
    },
    refusals: () => (hasSuccessor() ? [...before.refusals(), ...now.refusals()] : before.refusals()),
    runId: () => now.runId() ?? before.runId(),
    get done() {
      return now.done
    },
    get lastError() {
      return now.lastError
    },
    isDone: (target) => now.isDone(target),
    async until(target, timeoutMs, signal) {
      const begun = performance.now()
      const asked = now
      const isDone = await asked.until(target, timeoutMs, signal)
      if (now === asked) return isDone
      return now.until(target, Math.max(0, timeoutMs - (performance.now() - begun)), signal)
    },
    finished,
    stop: () => now.stop(),
  }

  return {
    deliverer,
    begin: remote.begin,
    fallBack() {
      job.log.watchedBy(undefined)
      now = fallback.deliver(job)
      for (let n = 0; n < hurried; n++) now.hurry()
      now.look()
      void now.finished.then(finish)
      remote.leave()
    },
    hear: remote.hear,
  }
}
