import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('./story.ts', import.meta.url))
const node = [process.execPath, '--import', import.meta.resolve('tsx'), program]

/** The system calls that change a disk, but for those that make an empty file: the write that follows one is here. */
const CALLS = ['write', 'rename', 'link', 'unlink', 'mkdir', 'rmdir', 'ftruncate'] as const
type Call = (typeof CALLS)[number]

/** Whether this machine can stop a program at a chosen system call. */
export const canTrace: boolean =
  process.platform === 'linux' && spawnSync('strace', ['-e', 'trace=write', '-o', '/dev/null', 'true']).status === 0

function run(command: string, args: readonly string[], killAfterMs?: number): Promise<NodeJS.Signals | number | null> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  return new Promise((done) =>
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      done(signal ?? code)
    }),
  )
}

/** A moment of the story: before the `when`th such call of the program. */
export interface Moment {
  readonly call: Call
  readonly when: number
}

/**
 * Every moment at which a program that tells the story can be stopped: one telling is watched for that. Only the main
 * thread is traced: it alone writes to the store, and how often the others call is chance.
 */
export async function moments(dir: string): Promise<Moment[]> {
  const log = join(dir, 'trace.log')
  const filter = ['-qq', '-e', 'signal=none', '-e', `trace=${CALLS.join()}`, '-o', log]
  const ended = await run('strace', [...filter, ...node, join(dir, 'watched'), 'x'])
  if (ended !== 0) throw new Error(`The story could not be told under strace: ${ended}`)
  const found: Moment[] = []
  const seen = new Map<string, number>()
  let begun = false
  for (const line of readFileSync(log, 'utf8').split('\n')) {
    const [, call = ''] = /^(\w+)\(/.exec(line) ?? []
    if (!call) continue
    begun ||= line.includes(join(dir, 'watched'))
    const when = (seen.get(call) ?? 0) + 1
    seen.set(call, when)
    if (begun) found.push({ call: call as Call, when })
  }
  return found
}

/** Tells the story into a store, killed at a moment; false when it came to its end before. */
export async function killedAt({ call, when }: Moment, root: string, who: string): Promise<boolean> {
  const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=KILL:when=${when}`]
  return (await run('strace', ['-qq', '-o', '/dev/null', ...inject, ...node, root, who])) !== 0
}

/** Tells the story into a store, killed by the clock; false when it came to its end before. */
export const killedAfter = async (ms: number, root: string, who: string): Promise<boolean> =>
  (await run(node[0] as string, [...node.slice(1), root, who], ms)) !== 0
