import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '../../src/index.js'
import { startTestServer } from '../../src/testing/index.js'
import { built } from '../support/built.js'
import { leftIn } from '../support/left.js'

/** What came of a number of kills. */
export interface Kills {
  readonly kills: number
  readonly logged: number
  /** Logged more than 10 ms before the kill, as the child had noted. */
  readonly due: number
  readonly arrived: number
  readonly lost: number
  readonly twice: number
  readonly left: number
  readonly warnings: readonly string[]
  /** The longest of all calls that logged. */
  readonly longestMs: number
}

/**
 * A child that logs 2,000 points a second until it is killed. It notes what it has logged, with the time, in a file that
 * is written without any buffer: what stands there with a time 10 ms before the kill has to arrive.
 */
const CHILD = `
import { openSync, writeSync } from 'node:fs'
import { createClient } from 'CAIRN'
const [, , yields, notes, url, spoolDir] = process.argv
const client = createClient({ trackingUri: url, spoolDir })
const run = await client.startRun()
const out = openSync(notes, 'w')
writeSync(out, run.runId + '\\n')
process.stdout.write('started\\n')
let [step, longest] = [0, 0]
const log = () => {
  const from = performance.now()
  run.logMetric('loss', step * 0.5, step)
  longest = Math.max(longest, performance.now() - from)
  writeSync(out, step + ' ' + Date.now() + ' ' + longest + '\\n')
  step++
}
if (yields === 'true') setInterval(() => { for (let i = 0; i < 10; i++) log() }, 5)
else for (;;) { const until = performance.now() + 0.5; log(); while (performance.now() < until); }
`

/** Kills so many children at random moments, half of them in a loop that never yields, and delivers what they left. */
export async function killChildren(count: number, sideBySide = 2): Promise<Kills> {
  const cwd = mkdtempSync(join(tmpdir(), 'cairn-kills-'))
  const script = join(cwd, 'child.mjs')
  writeFileSync(script, CHILD.replace("'CAIRN'", JSON.stringify(await built())))
  const server = await startTestServer({ dir: join(cwd, 'server') })
  const spoolDir = join(cwd, 'spool')
  const runs: { runId: string; due: number; logged: number }[] = []
  let longestMs = 0

  async function one(index: number): Promise<void> {
    const notes = join(cwd, `notes-${index}`)
    const args = [script, String(index % 2 === 0), notes, server.url, spoolDir]
    const process_ = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true', CAIRN_LOG_LEVEL: 'silent' },
    })
    let killedAt = 0
    process_.stdout.once('data', () => {
      setTimeout(
        () => {
          killedAt = Date.now()
          process_.kill('SIGKILL')
        },
        20 + Math.random() * 600,
      )
    })
    await new Promise((resolve) => process_.once('close', resolve))
    const [runId = '', ...lines] = readFileSync(notes, 'utf8').split('\n')
    const whole = lines.slice(0, -1).map((line) => line.split(' ').map(Number))
    longestMs = Math.max(longestMs, whole.at(-1)?.[2] ?? 0)
    runs.push({ runId, logged: whole.length, due: whole.filter(([, time]) => time! < killedAt - 10).length })
  }

  const waiting = Array.from({ length: count }, (_, index) => index)
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await one(next)
  }
  await Promise.all(Array.from({ length: sideBySide }, worker))

  const warnings: string[] = []
  const warn = (message: string) => void warnings.push(message)
  const logger = { debug: () => {}, info: () => {}, warn, error: warn }
  const client = createClient({ trackingUri: server.url, spoolDir, logger })
  await client.deliverSpool()
  let [logged, due, arrived, lost, twice] = [0, 0, 0, 0, 0]
  for (const run of runs) {
    const steps = (await client.getMetricHistory(run.runId, 'loss')).map(({ step }) => Number(step))
    const once = new Set(steps)
    logged += run.logged
    due += run.due
    arrived += once.size
    twice += steps.length - once.size
    for (let step = 0; step < run.due; step++) if (!once.has(step)) lost++
  }
  const left = leftIn(spoolDir).length
  await client.close()
  await server.close()
  rmSync(cwd, { recursive: true, force: true })
  return { kills: count, logged, due, arrived, lost, twice, left, warnings, longestMs }
}
