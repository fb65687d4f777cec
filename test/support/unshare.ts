import { execFileSync } from 'node:child_process'

/** The words before a command that run it as a container would: in a space of processes of its own, and what else is said. */
export const unshare = (...more: string[]): string[] => [
  'unshare',
  ...more,
  '--pid',
  '--fork',
  '--mount-proc',
  '--kill-child=SIGKILL',
]

/** Whether that may be done here, by a command that does nothing else. */
export function isPermitted([program = '', ...words]: readonly string[]): boolean {
  try {
    execFileSync(program, words, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
