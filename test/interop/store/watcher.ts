import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { tempDir } from '../../support/temp-dir.js'
import { type Environment, pythonOf } from '../venv.js'
import { ENV, scriptPath } from './python.js'

/** What Python's searches of a whole store find. */
export interface Seen {
  readonly experiments: string[]
  readonly runs: string[]
  /** Points of each metric, by the run's name and the key. */
  readonly points: Record<string, number>
  readonly models: number
  readonly registered: string[]
  readonly versions: string[]
}

export interface Watcher {
  /** Searches all of a store; throws what Python said when a search broke. */
  look(root: string): Promise<Seen>
  close(): void
}

/** A Python that stays, so that looking at many stores is not as many starts. */
export function watcher(environment: Environment): Watcher {
  const child: ChildProcess = spawn(pythonOf(environment), [scriptPath('watch.py')], {
    // It leaves a database where it is started.
    cwd: tempDir(),
    env: { ...process.env, ...ENV },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  return {
    async look(root) {
      child.stdin?.write(`${root}\n`)
      const { value } = await lines.next()
      const { seen, broken } = JSON.parse(value ?? '{"broken": "Python is gone"}')
      if (!seen) throw new Error(`Python's search of ${root} broke: ${broken}`)
      return seen
    },
    close: () => void child.kill(),
  }
}
