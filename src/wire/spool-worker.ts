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
import { openRemote, type RemoteOptions } from './remote.js'
import { type FromWorker, heard, sharedNumbers, type ToWorker, told, type WorkerStart } from './shared.js'

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
  const warn = (message: string) => tell({ event: 'warn', message })
  const warnOnce = (message: string) => tell({ event: 'warn', message, once: true })

  /** Files go by the stores that the other thread knows, which may be a user's own. */
  const upload: Courier['artifact'] = (runId, artifact, { signal }) => {
    signal.throwIfAborted()
    const serial = uploadSerial++
    const leave = () => tell({ event: 'leave', upload: serial })
    signal.addEventListener('abort', leave, { once: true })
    const sent = new Promise<void>((resolve, reject) => {
      uploads.set(serial, { resolve, reject })
      tell({ event: 'upload', upload: serial, runId, artifact })
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
    down: (said) => tell({ event: 'down', said }),
    up: () => tell({ event: 'up' }),
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
      tell({ event: 'retry', job, error: told(error), ms })
      if (error.status === 401 || error.code === 'UNAUTHENTICATED' || error.code === NO_WAY)
        tell({ event: 'unauthenticated' })
    },
    onRefused: (error, count) => tell({ event: 'refused', job, error: told(error), count }),
    onSpooled: (error) => tell({ event: 'spooled', job, error: told(error) }),
    onRecovered: () => tell({ event: 'recovered', job }),
    onDamaged: (stretches) => tell({ event: 'damaged', job, stretches }),
    onMapped(runId) {
      ids.learn(ours, runId)
      tell({ event: 'mapped', job, runId })
    },
  })

  function deliver(message: Extract<ToWorker, { deliver: number }>): void {
    const { deliver: job, dir, run, elders, generation } = message
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
      if (task.awaited.some(delivery.isDone)) tell({ event: 'reached', job })
    }
    const task: Task = { delivery, log, held: claim.held, awaited: [], moved }
    tasks.set(job, task)
    void delivery.finished.then((complete) => {
      moved()
      tasks.delete(job)
      lookout.forget(log)
      log.letGo()
      tell({ event: 'finished', job, complete })
    })
  }

  function hurry({ delivery, awaited, moved }: Task, { on, until }: Extract<ToWorker, { hurry: number }>): void {
    if (on) {
      if (until) awaited.push(until)
      delivery.hurry()
      moved()
    } else {
      const index = awaited.findIndex(({ points, steps }) => points === until?.points && steps === until.steps)
      if (index >= 0) awaited.splice(index, 1)
      delivery.calm()
    }
  }

  function tryAtOnce(): void {
    for (const { delivery } of tasks.values()) {
      delivery.hurry()
      delivery.calm()
    }
  }

  function hear(message: ToWorker): void {
    if ('deliver' in message) deliver(message)
    else if ('key' in message) tasks.get(message.key)?.log.addKey(message.name)
    else if ('stir' in message) {
      const task = tasks.get(message.stir)
      if (task) lookout.watch(task.log, task.held, task.delivery.wake)
    } else if ('look' in message) tasks.get(message.look)?.delivery.look()
    else if ('hurry' in message) {
      const task = tasks.get(message.hurry)
      if (task) hurry(task, message)
    } else if ('tell' in message) tell({ event: 'told', job: message.tell })
    else if ('stop' in message) {
      void tasks.get(message.stop)?.delivery.stop()
      tell({ event: 'told', job: message.stop })
    } else if ('lookForLeft' in message) hands.lookForLeft(message.lookForLeft)
    else if ('close' in message) void hands.close().then(() => tell({ event: 'closed' }))
    else if ('renew' in message) {
      carrying = carrier(message.renew)
      carrying.then(tryAtOnce, orEnd)
    } else {
      const upload = uploads.get(message.uploaded)
      uploads.delete(message.uploaded)
      if (message.error) upload?.reject(heard(message.error))
      else upload?.resolve()
    }
  }

  parentPort?.on('message', hear)
}

const given = workerData as WorkerStart | LookoutStart
if ('lookout' in given) keepLookout(given)
else work(given)
