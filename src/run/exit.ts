import { setTimeout } from 'node:timers/promises'
import type { EndStatus, LiveRun } from './handle.js'

/** Runs of this process that are open: they are ended, as far as can be, when it goes. */
const live = new Set<LiveRun>()
/** Runs that are being made: their server may have them already. */
const beginning = new Set<Promise<unknown>>()
/** A signal came: if the process is ended now, by whoever handles it, it was killed. */
let signalled = false
/** A signal that nobody else handles came, and what the runs logged is being delivered before it has its way. */
let leaving = false
/** When that was, or the exit began. */
let since: number | undefined
/** The script has had its time: no more runs begin. */
let closing = false
/** What the last word at the exit still has to wait for. */
let waits: readonly (() => void)[] = []

/**
 * The copies of Cairn that listen in this process, other versions among them, by what each listens to signals with, and
 * with what it still delivers before one has its way.
 */
type Copies = Map<unknown, Promise<void> | undefined>
const COPIES: unique symbol = Symbol.for('cairn-ml.exit 1')
const home = globalThis as { [COPIES]?: Copies }
home[COPIES] ??= new Map()
const copies = home[COPIES]

/** How long a process that goes waits for runs that are being made, in milliseconds. */
const BEGIN_MS = 3_000

/** Sees to it that a run is ended when the process goes. */
export function endAtExit(run: LiveRun): void {
  watchOut()
  // Behind all that was put in line while the run was made: what those log is still taken.
  if (live.size === 0) process.off('exit', onLastExit).on('exit', onLastExit)
  live.add(run)
}

/** Forgets a run that has ended; with none left the process is as it was. */
export function forgetAtExit(run: LiveRun): void {
  if (live.delete(run)) standDown()
}

/** Makes a run, which a signal's end waits for; once that is a matter of moments, none begins any more. */
export async function beginBeforeExit<T>(make: () => Promise<T>): Promise<T> {
  if (closing) await new Promise(() => {})
  watchOut()
  const made = make()
  beginning.add(made)
  try {
    return await made
  } finally {
    beginning.delete(made)
    standDown()
  }
}

const isIdle = (): boolean => live.size + beginning.size === 0 && !leaving

function watchOut(): void {
  if (isIdle()) listen('on')
}

function standDown(): void {
  if (isIdle()) listen('off')
}

const statusOf = (code: unknown): EndStatus =>
  (code === undefined || code === null || Number(code) === 0) && !isStuck() ? 'FINISHED' : 'FAILED'

/**
 * `process.exit()`, an uncaught error and the natural end all come by here; nothing asynchronous runs any more. First in
 * line: a handler of the user's may throw, or cut the exit short with `process.exit()`, and the end has to stand by then.
 */
function onExit(code: number): void {
  waits = endAll(signalled ? 'KILLED' : statusOf(code))
  const { exit } = process
  // A handler that cuts it short leaves those after it no turn.
  process.exit = (...code) => {
    onLastExit()
    // Without a code it keeps the one that there is; undefined would take that away.
    return exit.apply(process, code)
  }
}

/** Notes the end of all that are open; what it returns waits for them, for all together no longer than for one. */
function endAll(status: EndStatus): (() => void)[] {
  const from = since ?? performance.now()
  since = from
  return [...live].map((run) => run.endNow(status, from))
}

/** In line as early as the first run: what handlers before it log is still taken. */
function onLastExit(): void {
  const all = waits
  waits = []
  for (const wait of all) wait()
}

/** Node gives a script whose top-level await never settles its code only at the exit, by a listener that is there until then. */
const isStuck = (): boolean =>
  process.exitCode === undefined && process.listeners('exit').some(({ name }) => name === 'handleProcessExit')

/** The natural end, also of a process that went on after a signal. There is still time to wait for a server, and a limit to each wait. */
function onBeforeExit(code: number): void {
  const status = leaving ? 'KILLED' : statusOf(code)
  signalled = leaving
  // Behind all exit handlers there are: what those log is still taken.
  process.off('exit', onLastExit).on('exit', onLastExit)
  for (const run of [...live]) void run.beforeExit(status)
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Libraries that listen to each signal with `count` listeners, and do something only where nobody else listens. */
const BYSTANDERS = [
  { name: 'signal-exit 4', home: globalThis, key: Symbol.for('signal-exit emitter') },
  { name: 'signal-exit 3', home: process, key: '__signal_exit_emitter__' },
]

const isHandled = (signal: NodeJS.Signals): boolean => {
  const counts = BYSTANDERS.map(({ home, key }) => Number(Reflect.get(home, key)?.count ?? 0))
  const others = process.listeners(signal).filter((listener) => !copies.has(listener))
  return others.length > counts.reduce((sum, count) => sum + count, 0)
}

/**
 * Ours is the last word only where nobody else handles the signal; a second one does not wait. The script runs on until
 * what was logged has arrived: it may log, and end and start runs, as if nothing had come.
 */
function onSignal(signal: NodeJS.Signals): void {
  signalled = true
  if (isHandled(signal)) return
  const leave = (isHurried: boolean) => {
    const all = endAll('KILLED')
    if (!isHurried) for (const wait of all) wait()
    listen('off')
    // The last one through lets it have its way.
    if ([...copies.values()].every((delivering) => delivering === undefined)) process.kill(process.pid, signal)
  }
  if (leaving) {
    leave(true)
    return
  }
  leaving = true
  const delivering = windUpAll()
  copies.set(onSignal, delivering)
  void delivering.then(() => Promise.allSettled(copies.values())).then(() => leave(false))
}

/** Delivers what is logged, and then what was logged, and which runs began, while that took its time. */
async function windUpAll(): Promise<void> {
  const from = performance.now()
  since = from
  const round = () => Promise.allSettled([...live].map((run) => run.beforeEnd('KILLED', from)))
  await round()
  closing = true
  await Promise.race([Promise.allSettled(beginning), setTimeout(BEGIN_MS)])
  await round()
}

function listen(turn: 'on' | 'off'): void {
  const first = turn === 'on' ? 'prependListener' : 'off'
  process[first]('exit', onExit)
  process[turn]('exit', onLastExit)
  process[turn]('beforeExit', onBeforeExit)
  if (turn === 'on') copies.set(onSignal, undefined)
  else copies.delete(onSignal)
  // First in line: a handler of the user's may well end the process, and the run has to know by then that it was killed.
  for (const signal of SIGNALS) process[first](signal, onSignal)
  // A process that goes on without a run has survived what came.
  signalled = leaving = closing = false
  since = undefined
}
