import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { errno } from './write.js'

/** What identifies a process beyond its id: ids are used again, and mean something else in another container. */
export interface ProcessIdentity {
  readonly pid: number
  readonly host: string
  /** When the process began, in the system's own count; empty where it is not to be had. */
  readonly started: string
  /** The system's start, and the space in which the pid counts; empty where they are not to be had. */
  readonly space: string
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

let me: ProcessIdentity | undefined
/** This process. */
export const identity = (): ProcessIdentity => {
  me ??= { pid: process.pid, host: hostname(), started: startOf('self'), space: spaceOf() }
  return me
}

/** Whether a process lives; `undefined` when its pids are not ours to judge: another host, container or system start. */
export function lives(other: ProcessIdentity): boolean | undefined {
  const { host, space } = identity()
  if (other.host !== host || other.space !== space) return undefined
  try {
    process.kill(other.pid, 0)
  } catch (error) {
    if (errno(error) === 'ESRCH') return false
  }
  const started = startOf(other.pid)
  return started === '' || other.started === '' || started === other.started
}
