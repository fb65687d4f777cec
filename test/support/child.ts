import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** How a child process ended, and what it said. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface ChildOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  readonly nodeOptions?: readonly string[]
  /** The index of a built library to run instead of the source. */
  readonly built?: string
  /** A command, with its arguments, that runs the process: a shell with limits, another name space. */
  readonly under?: readonly string[]
  /**
   * Told each time the child has said something more; `write` goes to its standard input. What is done then and fails ends
   * the child, and is what running it fails with.
   */
  readonly onStdout?: (
    all: string,
    kill: (signal: NodeJS.Signals) => void,
    write: (text: string) => void,
  ) => void | Promise<void>
  /** The same of what it says on its standard error. */
  readonly onStderr?: (all: string, write: (text: string) => void) => void | Promise<void>
}

const source = new URL('../../src/index.ts', import.meta.url).pathname
const tsx = import.meta.resolve('tsx')

/** Runs a script of TypeScript in a process of its own; `CAIRN` in it stands for the library. No MLflow variable is inherited. */
export async function child(script: string, options: ChildOptions): Promise<Ended> {
  const dir = mkdtempSync(join(options.cwd, '.script-'))
  chmodSync(dir, 0o755)
  const file = join(dir, options.built ? 'script.mjs' : 'script.mts')
  writeFileSync(file, script.replaceAll("'CAIRN'", JSON.stringify(options.built ?? source)))
  const inherited = Object.entries(process.env).filter(([name]) => !/^(MLFLOW|CAIRN|VITEST|NODE_)/.test(name))
  const words = [
    ...(options.under ?? []),
    ...[process.execPath, ...(options.nodeOptions ?? []), ...(options.built ? [] : ['--import', tsx]), file],
  ]
  const process_ = spawn(words[0]!, words.slice(1), {
    cwd: options.cwd,
    env: {
      ...Object.fromEntries(inherited),
      CAIRN_CACHE_DIR: join(options.cwd, 'cache'),
      CAIRN_SPOOL_DIR: join(options.cwd, 'spool'),
      ...options.env,
    },
  })
  let stdout = ''
  let stderr = ''
  // A child that has ended hears no more: the test sees how it ended, and an error that nobody hears would end them all.
  process_.stdin.on('error', () => undefined)
  const write = (text: string) => void process_.stdin.write(text)
  let failed: { readonly error: unknown } | undefined
  // The child would wait for what does not come.
  const heed = (act: void | Promise<void>): void =>
    void act?.catch((error: unknown) => {
      failed ??= { error }
      process_.kill('SIGKILL')
    })
  process_.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    heed(options.onStdout?.(stdout, (signal) => void process_.kill(signal), write))
  })
  process_.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    heed(options.onStderr?.(stderr, write))
  })
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    process_.on('error', reject).on('close', (...how) => resolve(how))
  })
  rmSync(dir, { recursive: true, force: true })
  if (failed) throw failed.error
  return { code, signal, stdout, stderr }
}
