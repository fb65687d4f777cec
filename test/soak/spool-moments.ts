import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '../../src/index.js'
import { startTestServer } from '../../src/testing/index.js'
import { built } from '../support/built.js'
import { leftIn } from '../support/left.js'

/** What came of killing at moments of a program. */
export interface Moments {
  /** How often the program makes such a call. */
  readonly calls: number
  readonly kills: number
  readonly noted: number
  readonly arrived: number
  readonly lost: number
  readonly twice: number
  readonly left: number
}

/** Whether this machine has the tool that kills at a system call. */
export const hasStrace = (): boolean => spawnSync('strace', ['-V']).status === 0

/** Calls by which something comes to be, or ceases to be, on disk or on the wire. */
const CALLS = 'write,writev,pwrite64,rename,link,unlink,mkdir'

/** Logs, says of each point that it is logged, delivers, ends: every step of a run's life. */
const CHILD = `
import { openSync, writeSync } from 'node:fs'
import { createClient } from 'CAIRN'
const [, , notes, url, spoolDir] = process.argv
const client = createClient({ trackingUri: url, spoolDir })
const run = await client.startRun()
const out = openSync(notes, 'w')
writeSync(out, run.runId + '\\n')
for (let step = 0; step < 20; step++) {
  run.logMetric('loss', step * 0.5, step)
  writeSync(out, step + '\\n')
  if (step % 5 === 0) run.setTag('step', step)
  if (step === 10) await run.flush()
}
await run.end()
await client.close()
`

/** Runs the program once to count its calls, then kills it at every n-th of them, and delivers what each left. */
export async function killAtMoments(most: number): Promise<Moments> {
  const cwd = mkdtempSync(join(tmpdir(), 'cairn-moments-'))
  const script = join(cwd, 'child.mjs')
  writeFileSync(script, CHILD.replace("'CAIRN'", JSON.stringify(await built())))
  const server = await startTestServer({ dir: join(cwd, 'server') })
  const spoolDir = join(cwd, 'spool')
  const env = { ...process.env, MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true', CAIRN_LOG_LEVEL: 'silent' }

  const traced = (options: readonly string[], notes: string): Promise<void> =>
    new Promise((resolve) => {
      const args = ['-f', '-qq', ...options, process.execPath, script, notes, server.url, spoolDir]
      spawn('strace', args, { env, stdio: 'ignore' }).once('close', () => resolve())
    })

  const log = join(cwd, 'trace')
  await traced(['-o', log, '-e', `trace=${CALLS}`], join(cwd, 'notes'))
  const lines = readFileSync(log, 'utf8').split('\n')
  const counts: Record<string, number> = {}
  for (const line of lines) {
    const name = /^\d+\s+(\w+)\(/.exec(line)?.[1]
    if (name) counts[name] = (counts[name] ?? 0) + 1
  }
  const moments = Object.entries(counts).flatMap(([name, count]) =>
    Array.from({ length: count }, (_, index) => ({ name, nth: index + 1 })),
  )
  const stride = Math.max(1, moments.length / most)
  const runs: { runId: string; noted: number }[] = []
  let kills = 0
  for (let at = 0; at < moments.length; at += stride) {
    const { name, nth } = moments[Math.floor(at)]!
    const notes = join(cwd, `notes-${kills}`)
    await traced(['-o', '/dev/null', '-e', `trace=${name}`, '-e', `inject=${name}:signal=KILL:when=${nth}`], notes)
    kills++
    if (!existsSync(notes)) continue
    const [runId = '', ...steps] = readFileSync(notes, 'utf8').split('\n')
    if (/^[0-9a-f]{32}$/.test(runId)) runs.push({ runId, noted: Math.max(0, steps.length - 1) })
  }

  const client = createClient({ trackingUri: server.url, spoolDir })
  await client.deliverSpool()
  let [noted, arrived, lost, twice] = [0, 0, 0, 0]
  for (const run of runs) {
    const steps = (await client.getMetricHistory(run.runId, 'loss').catch(() => [])).map(({ step }) => Number(step))
    const once = new Set(steps)
    noted += run.noted
    arrived += once.size
    twice += steps.length - once.size
    for (let step = 0; step < run.noted; step++) if (!once.has(step)) lost++
  }
  const left = leftIn(spoolDir).length
  await client.close()
  await server.close()
  rmSync(cwd, { recursive: true, force: true })
  return { calls: moments.length, kills, noted, arrived, lost, twice, left }
}
