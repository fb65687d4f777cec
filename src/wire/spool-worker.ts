import { parentPort, workerData } from 'node:worker_threads'
import { CairnError } from '../errors.js'
import { loadUndici } from '../http/dispatcher.js'
import type { HttpSettings } from '../settings.js'
import type { CarryOptions, Courier } from '../spool/courier.js'
import type { Deliverer, DeliveryEvents } from '../spool/deliverer.js'
import { NO_WAY } from '../spool/failures.js'
import { PATIENT_MS, serverIds } from '../spool/ids.js'
import { openLog, type SpoolLog, type Written } from '../spool/log.js'
import { logLookout } from '../spool/lookout.js'
import { logMemory } from '../spool/memory.js'
import { distantOutage } from '../spool/outage.js'
import { claimOf } from '../spool/owner.js'
import { room as roomIn, STALE_MS } from '../spool/room.js'
import { courier } from '../tracking/courier.js'
import { ownHands } from './hands.js'
import { keepLookout, type LookoutStart } from './lookout-thread.js'
import { type FromWorker, hearing, type Of, type ToWorker, type WorkerStart } from './messages.js'
import { openRemote, type RemoteOptions } from './remote.js'
import { sharedNumbers } from './shared-numbers.js'
import { heard, told } from './told-error.js'

interface Task {
  readonly delivery: Deliverer
  readonly log: SpoolLog
  readonly held: () => boolean
  /** What is waited for in the other thread. */
  readonly awaited: Written[]
  moved(): void
}

/** The thread that delivers: it reads the spool from disk, so that it goes on while the other one is busy. */
function work(start: WorkerStart): void {
  const { place, uri, limits } = start
  const room = roomIn(place.spoolDir, place.maxBytes, start.room)
  setInterval(room.look, STALE_MS).unref()
  const tasks = new Map<number, Task>()
  const lookout = logLookout()
  const uploads = new Map<number, { resolve: () => void; reject: (error: unknown) => void }>()
  /** Files on their way by the other thread, by run. */
  const uploading = new Map<string, number>()
  let uploadSerial = 0
  const ids = serverIds(place, PATIENT_MS)
  const tell = (message: FromWorker) => parentPort?.postMessage(message)
  const warn = (message: string) => tell({ word: 'warn', message })
  const warnOnce = (message: string) => tell({ word: 'warn', message, once: true })

  /** Files go by the stores that the other thread knows, which may be a user's own. */
  const upload: Courier['artifact'] = (runId, artifact, { signal }) => {
    signal.throwIfAborted()
    const serial = uploadSerial++
    const leave = () => tell({ word: 'leave', upload: serial })
    signal.addEventListener('abort', leave, { once: true })
    const sent = new Promise<void>((resolve, reject) => {
      uploads.set(serial, { resolve, reject })
      tell({ word: 'upload', upload: serial, runId, artifact })
    })
    uploading.set(runId, (uploading.get(runId) ?? 0) + 1)
    for (const task of tasks.values()) if (task.delivery.runId() === runId) task.moved()
    return sent.finally(() => {
      signal.removeEventListener('abort', leave)
      const others = (uploading.get(runId) ?? 1) - 1
      if (others > 0) uploading.set(runId, others)
      else uploading.delete(runId)
    })
  }

  /** Whether nothing goes on before the other thread has sent a file: one that ends must not wait for itself. */
  const waitsForOther = ({ delivery, log }: Pick<Task, 'delivery' | 'log'>): boolean =>
    delivery.done.points >= log.written.points && uploading.has(delivery.runId() ?? '')

  async function carrier(http: HttpSettings): Promise<Courier> {
    const options = { ...start.remote, auth: start.remote.auth as RemoteOptions['auth'], warn: warnOnce }
    const [{ once }] = await Promise.all([openRemote(uri, http, options), loadUndici()])
    const made = courier({
      transport: once,
      openArtifacts: () => Promise.reject(new Error('files go by the other thread')),
      serverRunId: ids.of,
    })
    return { ...made, artifact: (runId, artifact, how: CarryOptions) => upload(runId, artifact, how) }
  }

  /** Settings can be wrong for a while; a module that could not be loaded never will be in this thread. */
  function orEnd(error: unknown): void {
    if (error instanceof CairnError) return
    setImmediate(() => {
      throw error
    })
  }

  let carrying = carrier(start.http)
  carrying.catch(orEnd)
  const outage = distantOutage(start.outage, {
    down: (said) => tell({ word: 'down', said }),
    up: () => tell({ word: 'up' }),
  })
  /** While the server is away one run alone finds out when it is back: what that one knows holds for all. */
  let isAway = false
  function setAway(is: boolean): void {
    if (isAway === is) return
    isAway = is
    for (const { moved } of tasks.values()) moved()
  }
  const heardOf = {
    down(said: string) {
      setAway(true)
      outage.down(said)
    },
    up() {
      setAway(false)
      outage.up()
    },
  }
  const { connections } = start.http
  const hands = ownHands({ place, courier: () => carrying, warn, outage: heardOf, connections, limits })

  const watch = (job: number, ours: string): DeliveryEvents => ({
    onRetry(error: CairnError, ms) {
      tell({ word: 'retry', job, error: told(error), ms })
      if (error.status === 401 || error.code === 'UNAUTHENTICATED' || error.code === NO_WAY)
        tell({ word: 'unauthenticated' })
    },
    onRefused: (error, count) => tell({ word: 'refused', job, error: told(error), count }),
    onSpooled: (error) => tell({ word: 'spooled', job, error: told(error) }),
    onRecovered: () => tell({ word: 'recovered', job }),
    onDamaged: (stretches) => tell({ word: 'damaged', job, stretches }),
    onMapped(runId) {
      ids.learn(ours, runId)
      tell({ word: 'mapped', job, runId })
    },
  })

  function deliver(message: Of<ToWorker, 'deliver'>): void {
    const { job, dir, run, elders, generation } = message
    const shared = sharedNumbers(message.shared)
    const log = openLog(dir, { memory: logMemory(message.log), room })
    const claim = claimOf(dir, generation)
    const delivery: Deliverer = hands.deliver({
      dir,
      run,
      claim,
      log,
      elders,
      watch: watch(job, run.runId),
      onMoved: () => moved(),
    })
    const moved = () => {
      const stands = isAway || delivery.lastError !== undefined || waitsForOther({ delivery, log })
      shared.setProgress(delivery.progress, delivery.done, stands)
      if (task.awaited.some(delivery.isDone)) tell({ word: 'reached', job })
    }
    const task: Task = { delivery, log, held: () => claim.held() && claim.isThere(), awaited: [], moved }
    tasks.set(job, task)
    void delivery.finished.then((complete) => {
      moved()
      tasks.delete(job)
      lookout.forget(log)
      log.letGo()
      tell({ word: 'finished', job, complete })
    })
  }

  function hurry({ job, until }: Of<ToWorker, 'hurry'>): void {
    const task = tasks.get(job)
    if (until) task?.awaited.push(until)
    task?.delivery.hurry()
    task?.moved()
  }

  function calm({ job, until }: Of<ToWorker, 'calm'>): void {
    const task = tasks.get(job)
    const index =
      task?.awaited.findIndex(({ points, steps }) => points === until?.points && steps === until.steps) ?? -1
    if (index >= 0) task?.awaited.splice(index, 1)
    task?.delivery.calm()
  }

  function tryAtOnce(): void {
    for (const { delivery } of tasks.values()) {
      delivery.hurry()
      delivery.calm()
    }
  }

  const hear = hearing<ToWorker>({
    deliver,
    key: ({ job, name }) => tasks.get(job)?.log.addKey(name),
    stir({ job }) {
      const task = tasks.get(job)
      if (task) lookout.watch(task.log, task.held, task.delivery.wake)
    },
    look: ({ job }) => tasks.get(job)?.delivery.look(),
    hurry,
    calm,
    tell: ({ job }) => tell({ word: 'told', job }),
    stop({ job }) {
      void tasks.get(job)?.delivery.stop()
      tell({ word: 'told', job })
    },
    lookForLeft: ({ again }) => hands.lookForLeft(again),
    close() {
      lookout.close()
      void hands.close().then(() => tell({ word: 'closed' }))
    },
    renew({ http }) {
      carrying = carrier(http)
      carrying.then(tryAtOnce, orEnd)
    },
    uploaded({ upload: serial, error }) {
      const waiting = uploads.get(serial)
      uploads.delete(serial)
      if (error) waiting?.reject(heard(error))
      else waiting?.resolve()
    },
  })
  parentPort?.on('message', hear)
}

const given = workerData as WorkerStart | LookoutStart
if ('lookout' in given) keepLookout(given)
else work(given)
