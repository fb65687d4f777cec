import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname, uptime } from 'node:os'
import { threadId } from 'node:worker_threads'
import { errno } from './errno.js'
import { exists } from './write.js'

/** What identifies a process beyond its id: ids are used again, and mean something else in another container. */
export interface ProcessIdentity {
  readonly pid: number
  readonly host: string
  /** When the process began, in the system's own count; empty where it is not to be had. */
  readonly started: string
  /** The system's start, and the space in which the pid counts; empty where they are not to be had. */
  readonly space: string
  /** What stays the same when the machine starts anew; empty where it is not to be had, and in a container. */
  readonly machine: string
  /** Which of its threads; 0 for the main one. */
  readonly thread: number
}

/** From where another process is judged. */
export interface Here {
  readonly me: ProcessIdentity
  /** For how long this machine runs. */
  upMs(): number
}

const text = (read: () => string): string => {
  try {
    return read().trim()
  } catch {
    return ''
  }
}

function startOf(pid: number | 'self'): string {
  // The name in field 2 may hold blanks and parentheses; what is counted stands after the last one.
  const stat = text(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

function spaceOf(): string {
  const boot = text(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'))
  return boot === '' ? '' : `${boot} ${text(() => readlinkSync('/proc/self/ns/pid'))}`
}

/** The spaces of processes and host names that a system starts with have the same numbers everywhere. */
const FIRST_SPACES = { pid: 'pid:[4026531836]', uts: 'uts:[4026531838]' } as const
const CONTAINER_MARKS = ['/.dockerenv', '/run/.containerenv', '/run/systemd/container']

/** A container's id may be that of the image it is made from, and of all others made from it. */
function machineOf(): string {
  const isFirst = Object.entries(FIRST_SPACES).every(
    ([name, first]) => text(() => readlinkSync(`/proc/self/ns/${name}`)) === first,
  )
  if (!isFirst || CONTAINER_MARKS.some(exists)) return ''
  const id = text(() => readFileSync('/etc/machine-id', 'utf8'))
  // It is not to be handed on as it is, says its manual.
  return /^[0-9a-f]{32}$/.test(id) ? createHash('sha256').update(`cairn ${id}`).digest('hex').slice(0, 32) : ''
}

let me: ProcessIdentity | undefined
/** This process, and the thread that asks. */
export const identity = (): ProcessIdentity => {
  me ??= {
    pid: process.pid,
    host: hostname(),
    started: startOf('self'),
    space: spaceOf(),
    machine: machineOf(),
    thread: threadId,
  }
  return me
}

/** The process that a text names, as `JSON.stringify` wrote it, also of versions that wrote less; undefined when it names none. */
export function identityIn(text: string | undefined): ProcessIdentity | undefined {
  try {
    const { pid, host, started, space = '', machine = '', thread } = JSON.parse(text ?? '') as Partial<ProcessIdentity>
    if (pid === undefined || !Number.isInteger(pid) || pid <= 0) return undefined
    const words = { host: String(host), started: String(started), space: String(space), machine: String(machine) }
    return { pid, ...words, thread: Number(thread) || 0 }
  } catch {
    return undefined
  }
}

/** Here, as it is. */
export const here: Here = {
  get me() {
    return identity()
  },
  upMs: () => uptime() * 1000,
}

const bootOf = ({ space }: ProcessIdentity): string => space.split(' ')[0] ?? ''

/**
 * Whether a process went when this very machine started anew; false where that cannot be told. `silentMs` is how long
 * nothing was heard of it: a process that was heard of since then is on another machine, whatever the two are called.
 */
export function wentBefore(other: ProcessIdentity, silentMs: number, { me, upMs }: Here): boolean {
  if (silentMs < upMs() + 1000 || other.host !== me.host || me.machine === '' || other.machine !== me.machine)
    return false
  return bootOf(me) !== '' && bootOf(other) !== '' && bootOf(me) !== bootOf(other)
}

/** Whether a process lives; `undefined` when its pids are not ours to judge: another host, container or system start. */
export function lives(other: ProcessIdentity, { host, space }: ProcessIdentity): boolean | undefined {
  if (other.host !== host || other.space !== space) return undefined
  try {
    process.kill(other.pid, 0)
  } catch (error) {
    if (errno(error) === 'ESRCH') return false
  }
  const started = startOf(other.pid)
  return started === '' || other.started === '' || started === other.started
}
