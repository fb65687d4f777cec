import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { tempDir } from './temp-dir.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Starts an example as a user would in an empty folder: nothing in the environment but `extra` says where things go. */
export function startExample(
  example: string,
  cwd: string,
  extra: NodeJS.ProcessEnv = {},
  args: readonly string[] = [],
): ChildProcess {
  const clean = Object.entries(process.env).filter(([name]) => !/^(MLFLOW|CAIRN|VITEST|NODE_OPTIONS)/.test(name))
  const env = {
    ...Object.fromEntries(clean),
    TSX_TSCONFIG_PATH: join(root, 'tsconfig.json'),
    CAIRN_CACHE_DIR: join(cwd, '.cache'),
    CAIRN_SPOOL_DIR: join(cwd, '.spool'),
    ...extra,
  }
  const file = join(root, 'examples', example)
  return spawn(process.execPath, ['--import', import.meta.resolve('tsx'), file, ...args], { cwd, env })
}

/** Everything the child printed, and its exit code, once it has ended. */
async function ended(child: ChildProcess): Promise<{ code: number | null; output: string; errors: string }> {
  let output = ''
  let errors = ''
  child.stdout?.on('data', (chunk) => (output += chunk))
  child.stderr?.on('data', (chunk) => (errors += chunk))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, output, errors }
}

/** What an example prints; it has to succeed. */
export async function runExample(example: string, cwd = tempDir(), extra: NodeJS.ProcessEnv = {}): Promise<string> {
  const { code, output, errors } = await ended(startExample(example, cwd, extra))
  expect(code, `${example} printed:\n${output}\n${errors}`).toBe(0)
  return output
}

/** The example that serves a model, and how it ends when it is asked to. */
export async function startService(
  uri: string,
  cwd: string,
  extra: NodeJS.ProcessEnv = {},
): Promise<{ url: string; stop: () => Promise<number | null> }> {
  const child = startExample('inference-service.ts', cwd, { PORT: '0', ...extra }, [uri])
  const end = ended(child)
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.on('data', (chunk) => {
      const said = /http:\/\/\S+/.exec(String(chunk))?.[0]
      if (said) resolve(said)
    })
    end.then(({ errors }) => reject(new Error(`The service ended: ${errors}`)))
  })
  return {
    url,
    async stop() {
      child.kill('SIGTERM')
      return (await end).code
    },
  }
}

/** The numbers that a pattern's first group finds in a text. */
export const numbersIn = (text: string, pattern: RegExp): number[] =>
  [...text.matchAll(pattern)].map(([, value]) => Number(value))
