import { join } from 'node:path'
import type { Batch } from '../core/batch.js'
import { type FailureKind, failureKind } from '../core/retry.js'
import { removeDir } from '../disk/write.js'
import { type CairnError, diskError, IntegrityError, TimeoutError } from '../errors.js'
import { openAcks, type Stretch } from './acks.js'
import { backlog, batchOf, halves, type Parcel } from './backlog.js'
import { asError, isAboutRun, isDivisible, isParking, PARENT_FIRST } from './failures.js'
import type { Written } from './log.js'
import { dropRunDir, rememberId, type ServerPlace, type SpooledRun } from './place.js'
import type { KeptFile, KeptModel, NewRun, Step } from './records.js'
import { keepAside, setAside } from './refused.js'
import type { ServerState } from './server.js'
import { openTail } from './tail.js'

/** What is told with each request. */
export interface CarryOptions {
  /** The request may have been carried out before: look first where a second time would do harm. */
  readonly again: boolean
  readonly signal: AbortSignal
}

/** How what waits in the spool reaches a server; one try each, failures thrown. */
export interface Courier {
  /** Makes a run and answers its id. */
  create(run: NewRun, options: CarryOptions): Promise<string>
  batch(runId: string, batch: Batch, options: CarryOptions): Promise<void>
  /** An operation of the protocol on the run. */
  call(runId: string, operation: string, input: Readonly<Record<string, unknown>>, options: CarryOptions): Promise<void>
  /** A file for the run's artifacts, or a model of the run, from where it lies on this machine. */
  artifact(runId: string, kept: KeptFile | KeptModel, options: CarryOptions): Promise<void>
}

/** What became of the entries of one log; points and all else counted alike. */
export interface Progress {
  /** Taken by the log. */
  readonly logged: number
  readonly inFlight: number
  readonly delivered: number
  readonly refused: number
  readonly retried: number
  readonly lastDeliveredAt: number | undefined
  /** Whether a file or a model is on its way, which may take its time. */
  readonly isCarrying?: boolean
}

export interface Watch {
  readonly onRetry?: ((error: CairnError, delayMs: number) => void) | undefined
  readonly onRefused?: ((error: CairnError, count: number) => void) | undefined
  /** What is logged waits on disk from now on. */
  readonly onSpooled?: ((error: CairnError) => void) | undefined
  readonly onRecovered?: (() => void) | undefined
  /** Stretches of the log that could not be read; what they held is lost. */
  readonly onDamaged?: ((stretches: number) => void) | undefined
  /** The run has its id on the server. */
  readonly onMapped?: ((runId: string) => void) | undefined
}

export interface DeliverOptions {
  readonly dir: string
  readonly place: ServerPlace
  readonly run: SpooledRun
  readonly courier: Courier
  readonly server: ServerState
  /** Whether the folder is still ours to deliver. */
  readonly held: () => boolean
  /** How much the log has taken, while it is written to; undefined once nothing more comes. */
  readonly written: () => Written | undefined
  readonly watch?: Watch | undefined
  /** Told whenever the progress may have changed. */
  readonly onMoved?: (() => void) | undefined
}

/** The delivery of one log, from disk to server, as long as it takes. */
export interface Deliverer {
  /** There is more in the log: it goes out soon. */
  wake(): void
  /** Looks at once, also for the end of the log. */
  look(): void
  /** From now on everything at hand goes out without waiting for company, and the process stays for it. */
  hurry(): void
  /** As it was before a `hurry`. */
  calm(): void
  /** Waits as `until`, and blocks this thread: for the exit of the process, where nothing else runs. False when it cannot. */
  untilNow(target: Written, timeoutMs: number): boolean
  readonly progress: Progress
  /** Why things were refused since this was last asked; at most 100. */
  refusals(): CairnError[]
  /** The run's id on its server, once it has one. */
  runId(): string | undefined
  /** Up to where all is done with. */
  readonly done: Written
  /** Why the last request that failed did; undefined once one went through. */
  readonly lastError: CairnError | undefined
  /** Whether all that the log has taken is done with, delivered or refused. */
  isDone(written: Written): boolean
  /**
   * Resolves to true when the log is done with up to here, to false when that takes longer or it was stopped. All goes out
   * in a hurry meanwhile, and when the time is over what is still on its way is given up for now.
   */
  until(target: Written, timeoutMs: number): Promise<boolean>
  /** Resolves to true when the whole log is done with and its folder removed, to false when it was stopped before. */
  readonly finished: Promise<boolean>
  /** Stops where it stands; what is on its way is given up and counts as perhaps arrived. */
  stop(): void | Promise<void>
}

/** A request that is not full leaves at the latest after this. */
const COMPANY_MS = 200
const PARENT_MS = 500
const FORBIDDEN_MS = 500
const FORBIDDEN_MOST_MS = 300_000
const FILES_MS = 500
const MOST_FILES_MS = 30_000
/** A server that says so often in a row that it cannot keep a file will not. */
const MOST_FILE_FAILURES = 8
const MOST_REFUSALS = 100
const DISK_MS = 1_000

/** Begins to deliver a log; requests that failed go out again as they were, for as long as it takes. */
export function deliverer(options: DeliverOptions): Deliverer {
  const { dir, place, run, courier, server, watch = {} } = options
  const acks = openAcks(dir)
  const tail = openTail(dir, () => options.written() !== undefined)
  const work = backlog({ next: tail.next, done: acks.done, tried: acks.tried, onLost: lost })
  let closing = new AbortController()
  let runId = acks.runId ?? (run.local ? undefined : run.runId)
  let pointsOut = 0
  let stepsOut = 0
  let inFlight = 0
  let retried = 0
  let lastDeliveredAt: number | undefined
  let refusals: CairnError[] = []
  let away = false
  let lastError: CairnError | undefined
  let forbidden = 0
  let parkedUntil = Number.NEGATIVE_INFINITY
  let stepsParkedUntil = Number.NEGATIVE_INFINITY
  let filesFailed = 0
  let filesOut = 0
  let hurried = 0
  const waiters = new Set<{ readonly target: Written; readonly resolve: (arrived: boolean) => void }>()
  let lastSent = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  let knownSegment = 0
  let over = false
  let finish: (complete: boolean) => void = () => {}
  const finished = new Promise<boolean>((resolve) => {
    finish = resolve
  })
  const unsubscribe = server.onChange(() => pump())

  const done = () => acks.done.points.size + acks.done.steps.size
  const isDone = ({ points, steps }: Written) =>
    acks.done.points.watermark >= points && acks.done.steps.watermark >= steps

  function refuse(stretch: Stretch, error: CairnError, what: readonly unknown[]): void {
    setAside(place.dir, run.runId, error, what)
    acks.refuse(stretch)
    if (refusals.length < MOST_REFUSALS) refusals.push(error)
    watch.onRefused?.(error, stretch.count)
    options.onMoved?.()
  }

  function lost(stretch: Stretch): void {
    const what = `${stretch.count} ${stretch.lane === 'points' ? 'points' : 'parameters, tags or other steps'}`
    const reason = `${what} of run ${run.runId} were damaged on disk (${dir}) and are lost`
    refuse(stretch, new IntegrityError(reason), [{ lost: stretch }])
  }

  function carry(parcel: Parcel): Promise<void> {
    const { stretch, again, steps } = parcel
    const how = { again, signal: closing.signal }
    const [step] = steps
    if (stretch.lane === 'steps' && step && !('param' in step || 'tag' in step)) return carryStep(step, how)
    return courier.batch(runId!, batchOf(parcel), how)
  }

  async function carryStep(
    step: Exclude<Step, { param: unknown } | { tag: unknown }>,
    how: CarryOptions,
  ): Promise<void> {
    if ('create' in step) {
      // Its start may have made it before the server was given up.
      const made = await courier.create(step.create, { ...how, again: true })
      acks.mapped(made)
      rememberId(place, run.runId, made)
      runId = made
      watch.onMapped?.(made)
    } else if ('call' in step) await courier.call(runId!, step.call, step.input, how)
    else
      await courier.artifact(
        runId!,
        'model' in step ? { ...step.model, folder: keptAt(step) } : { ...step.artifact, file: keptAt(step) },
        how,
      )
  }

  /** Where what a step carries lies. */
  const keptAt = (step: Extract<Step, { artifact: unknown } | { model: unknown }>): string =>
    join(dir, 'model' in step ? step.model.folder : step.artifact.file)
  const keptBy = (steps: readonly Step[]): string[] =>
    steps.flatMap((step) => ('model' in step || 'artifact' in step ? [keptAt(step)] : []))

  function clear(path: string): void {
    try {
      removeDir(path)
      removeDir(`${path}.sent`)
    } catch {
      // It goes with the whole folder.
    }
  }

  function send(parcel: Parcel): void {
    const { stretch } = parcel
    const count = stretch.count
    const onLane = (change: number) => {
      if (stretch.lane === 'points') pointsOut += change
      else stepsOut += change
    }
    acks.trying(stretch)
    server.sent()
    lastSent = performance.now()
    const files = keptBy(parcel.steps).length
    inFlight += count
    filesOut += files
    onLane(1)
    // A courier that throws at once is one that fails.
    void (async () => carry(parcel))()
      .then(
        () => arrived(parcel),
        (reason: unknown) => failed(parcel, reason),
      )
      .finally(() => {
        inFlight -= count
        filesOut -= files
        onLane(-1)
        tellWaiters()
        pump()
      })
  }

  function arrived({ stretch, of, steps }: Parcel): void {
    if (over) return
    acks.arrived(stretch)
    for (const path of keptBy(steps)) clear(path)
    if (of && ++of.taken === 2 && !of.refused) server.limits.tooMany(of.count)
    lastDeliveredAt = Date.now()
    forbidden = 0
    if (keptBy(steps).length > 0) filesFailed = 0
    server.limits.taken(stretch.count)
    isBack()
    forget()
  }

  function isBack(): void {
    server.answered()
    lastError = undefined
    if (!away) return
    away = false
    watch.onRecovered?.()
  }

  function failed(parcel: Parcel, reason: unknown): void {
    if (over) {
      server.givenUp()
      return
    }
    const error = asError(reason)
    const kind = failureKind(error)
    lastError = error
    const isRefused = kind === 'refused' && !isParking(error, parcel)
    // Without the run nothing of it would be anywhere: it waits for its experiment to be restored, say.
    const isUnmade = isRefused && parcel.steps.some((step) => 'create' in step)
    if (isRefused && !isUnmade) {
      refused(parcel, error)
      return
    }
    if (error.status === 500 && keptBy(parcel.steps).length > 0 && filesFailed >= MOST_FILE_FAILURES) {
      isBack()
      giveUp(parcel, error)
      return
    }
    if (kind === 'ambiguous') parcel.again = true
    else if (!parcel.again) acks.unsent(parcel.stretch)
    work.putBack(parcel)
    retried += parcel.stretch.count
    const delayMs = keptBy(parcel.steps).length > 0 ? pauseOfFiles(error, kind) : pauseAfter(error, kind, isUnmade)
    watch.onRetry?.(error, Math.round(delayMs))
    if (kind === 'throttled' || away) return
    away = true
    watch.onSpooled?.(error)
  }

  /** Files may lie elsewhere than the server, or be what it cannot take: points do not wait for them. */
  function pauseOfFiles(error: CairnError, kind: FailureKind): number {
    const isServers = error.url?.startsWith(place.uri) && error.status !== 500 && error.status !== 403
    const own = Math.min(MOST_FILES_MS, FILES_MS * 2 ** Math.min(10, filesFailed++))
    const theirs = isServers ? pauseAfter(error, kind) : 0
    if (!isServers) server.givenUp()
    const ms = Math.max(own, theirs + COMPANY_MS, error.retryAfterMs ?? 0)
    stepsParkedUntil = performance.now() + ms
    return ms
  }

  /** A run that may not be written to, or not be made, waits alone; any other failure is the server's. */
  function pauseAfter(error: CairnError, kind: FailureKind, isUnmade = false): number {
    if (kind === 'throttled') return server.throttled(error)
    const isForbidden = error.status === 403 || isUnmade
    if (!isForbidden && error.code !== PARENT_FIRST) return server.down(error)
    const parkMs = isForbidden ? Math.min(FORBIDDEN_MOST_MS, FORBIDDEN_MS * 2 ** forbidden++) : PARENT_MS
    if (error.code === PARENT_FIRST) server.givenUp()
    else server.answered()
    parkedUntil = performance.now() + parkMs
    return parkMs
  }

  /** A request that may have been carried out before and is refused is not therefore undone: it is looked into by parts. */
  function refused(parcel: Parcel, error: CairnError): void {
    isBack()
    if (parcel.stretch.count === 1 || isAboutRun(error, runId) || !isDivisible(error, parcel)) giveUp(parcel, error)
    else {
      if (error.status === 413) server.limits.tooMany(parcel.stretch.count)
      split(parcel, error)
    }
  }

  function split(parcel: Parcel, error: CairnError): void {
    if (parcel.stretch.count === 1) {
      giveUp(parcel, error)
      return
    }
    acks.unsent(parcel.stretch)
    if (parcel.of) parcel.of.refused = true
    for (const half of halves(parcel).reverse()) work.putBack(half)
  }

  function giveUp(parcel: Parcel, error: CairnError): void {
    refuse(parcel.stretch, error, parcel.stretch.lane === 'points' ? parcel.points : parcel.steps)
    for (const path of keptBy(parcel.steps)) keepAside(place.dir, run.runId, path)
  }

  function pump(): void {
    if (over) return
    try {
      step()
    } catch (error) {
      // The disk cannot be read now: too many open files, say.
      lastError = diskError(error, `read ${dir}`)
      clearTimeout(timer)
      later(DISK_MS)
    }
  }

  function step(): void {
    if (!options.held()) {
      stop()
      return
    }
    fill()
    clearTimeout(timer)
    timer = undefined
    const { limits } = server
    for (;;) {
      const wait = Math.max(server.wait(), parkedUntil - performance.now())
      if (wait > 0) {
        if (!work.isEmpty) later(wait)
        break
      }
      const parcel = nextParcel()
      if (!parcel) break
      send(parcel)
      fill()
      // One finds out whether the server is back.
      if (server.wait() > 0) break
    }
    if (timer === undefined && !work.isEmpty && pointsOut < limits.atOnce) later(COMPANY_MS)
    concludeIfDone()
  }

  /** Reads on, where there is more to read. */
  function fill(): void {
    const written = options.written()
    const segment = written?.segment ?? 0
    if (written && written.points <= work.read.points && written.steps <= work.read.steps && segment <= knownSegment)
      return
    work.fill()
    if (segment > knownSegment) forget()
    knownSegment = segment
  }

  function forget(): void {
    try {
      tail.forget({ points: acks.done.points.watermark, steps: acks.done.steps.watermark })
    } catch {
      // It lies there until the whole folder goes.
    }
  }

  function nextParcel(): Parcel | undefined {
    const { limits } = server
    const batch = limits.batch
    if (stepsOut === 0 && performance.now() >= stepsParkedUntil) {
      const parcel = work.steps(batch)
      if (parcel) return parcel
    }
    if (runId === undefined || pointsOut >= limits.atOnce) return undefined
    const mayWait = hurried === 0 && options.written() !== undefined && !work.isFull(batch)
    if (mayWait && performance.now() - lastSent < COMPANY_MS) return undefined
    return work.points(batch)
  }

  function later(ms: number): void {
    timer = setTimeout(pump, ms)
    if (hurried === 0) timer.unref()
  }

  function concludeIfDone(): void {
    if (options.written() !== undefined || !work.isEmpty || inFlight > 0) return
    if (tail.damaged > 0) watch.onDamaged?.(tail.damaged)
    over = true
    leave()
    dropRunDir(dir)
    finish(true)
  }

  function leave(): void {
    clearTimeout(timer)
    unsubscribe()
    closing.abort(new TimeoutError('The delivery was stopped'))
    acks.close()
    tellWaiters()
  }

  function stop(): void {
    if (over) return
    over = true
    leave()
    finish(false)
  }

  function hurry(): void {
    hurried++
    parkedUntil = Number.NEGATIVE_INFINITY
    stepsParkedUntil = Number.NEGATIVE_INFINITY
    server.nudge()
    pump()
  }

  function calm(): void {
    hurried--
    if (hurried === 0) timer?.unref()
  }

  /** Whoever waits for what is done goes on; all of them when nothing more will be. */
  function tellWaiters(): void {
    options.onMoved?.()
    for (const waiter of waiters) if (over || isDone(waiter.target)) waiter.resolve(isDone(waiter.target))
  }

  async function until(target: Written, timeoutMs: number): Promise<boolean> {
    if (over || isDone(target)) return isDone(target)
    let limit: NodeJS.Timeout | undefined
    let waiter: { target: Written; resolve: (arrived: boolean) => void } | undefined
    const waited = new Promise<boolean>((resolve) => {
      waiter = { target, resolve }
      waiters.add(waiter)
      limit = setTimeout(() => resolve(false), timeoutMs)
    })
    hurry()
    const arrived = await waited
    clearTimeout(limit)
    if (waiter) waiters.delete(waiter)
    calm()
    if (!arrived && hurried === 0) abandon()
    return arrived
  }

  /** Gives up what is on its way, which then counts as perhaps arrived, so that no open socket holds the process. */
  function abandon(): void {
    const before = closing
    closing = new AbortController()
    before.abort(new TimeoutError('No answer came while there was time to wait'))
  }

  return {
    wake() {
      if (timer === undefined) later(hurried > 0 ? 0 : COMPANY_MS)
    },
    look: pump,
    hurry,
    calm,
    // Requests of this thread do not go on while it is blocked.
    untilNow: (target) => isDone(target),
    get progress() {
      const { points, steps } = options.written() ?? work.read
      const delivered = done() - acks.refused
      return {
        logged: points + steps,
        inFlight,
        delivered,
        refused: acks.refused,
        retried,
        lastDeliveredAt,
        isCarrying: filesOut > 0 && lastError === undefined,
      }
    },
    refusals() {
      const all = refusals
      refusals = []
      return all
    },
    get lastError() {
      return lastError
    },
    runId: () => runId,
    get done() {
      return { points: acks.done.points.watermark, steps: acks.done.steps.watermark }
    },
    isDone,
    finished,
    until,
    stop,
  }
}
