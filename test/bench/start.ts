/** From the start of a process to its first resolved startRun(), beside a Node that does nothing. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { built, median, type Row } from './rows.js'

const TIMES = 15
const now = () => performance.timeOrigin + performance.now()

/** Milliseconds until the script, a process of its own in a fresh folder, says that it is there. */
function until(script: string, dir: string): number {
  const cwd = mkdtempSync(join(dir, 'start-'))
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_|MLFLOW_|CAIRN_)/.test(name)))
  const from = now()
  const said = execFileSync(process.execPath, [script], {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return Number(said) - from
}

export async function startRows(dir: string): Promise<Row[]> {
  const say = 'process.stdout.write(String(performance.timeOrigin + performance.now()))\n'
  const bare = join(dir, 'bare.mjs')
  const ours = join(dir, 'ours.mjs')
  writeFileSync(bare, say)
  writeFileSync(ours, `import { startRun } from '${built.href}'\nawait startRun()\n${say}`)
  const took = { bare: [] as number[], ours: [] as number[] }
  for (let time = -1; time < TIMES; time++) {
    const [bareMs, oursMs] = [until(bare, dir), until(ours, dir)]
    if (time < 0) continue
    took.bare.push(bareMs)
    took.ours.push(oursMs)
  }
  const [bareMs, oursMs] = [median(took.bare), median(took.ours)]
  return [
    {
      what: 'process start to first startRun()',
      ours: `${Math.round(oursMs)} ms, ${Math.round(oursMs - bareMs)} over`,
      beside: `bare Node ${Math.round(bareMs)} ms`,
      ratio: oursMs / bareMs,
      aim: 'at most 150 ms over',
    },
  ]
}
