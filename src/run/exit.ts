import type { EndStatus, LiveRun } from './run.js'

/** Runs of this process that are open: they are ended, as far as can be, when it goes. */
const live = new Set<LiveRun>()
/** A signal that came and that someone else handles: if the process goes now, it was killed. */
let signalled = false

/** Sees to it that a run is ended when the process goes. */
export function endAtExit(run: LiveRun): void {
  if (live.size === 0) listen('on')
  live.add(run)
}

/** Forgets a run that has ended; with none left the process is as it was. */
export function forgetAtExit(run: LiveRun): void {
  if (live.delete(run) && live.size === 0) listen('off')
}

const statusAt = (code: unknown): EndStatus => {
  if (signalled) return 'KILLED'
  return code === undefined || code === null || Number(code) === 0 ? 'FINISHED' : 'FAILED'
}

/** `process.exit()`, an uncaught error and the natural end all come by here; nothing asynchronous runs any more. */
function onExit(code: number): void {
  for (const wait of [...live].map((run) => run.endNow(statusAt(code)))) wait()
}

/** The natural end: there still is time to wait for a server, and each wait has its limit. */
function onBeforeExit(code: number): void {
  for (const run of [...live]) void run.finish(statusAt(code))
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Ours is the last word only where nobody else listens; a second signal does not wait. */
function onSignal(signal: NodeJS.Signals): void {
  const again = signalled
  signalled = true
  if (process.listenerCount(signal) > 1) return
  const leave = () => {
    listen('off')
    process.kill(process.pid, signal)
  }
  if (again) leave()
  else void Promise.allSettled([...live].map((run) => run.finish('KILLED'))).then(leave)
}

function listen(turn: 'on' | 'off'): void {
  process[turn]('exit', onExit)
  process[turn]('beforeExit', onBeforeExit)
  // First in line: a handler of the user's may well end the process, and the run has to know by then that it was killed.
  for (const signal of SIGNALS) process[turn === 'on' ? 'prependListener' : 'off'](signal, onSignal)
}
