import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/client.js'
import { startServer } from '../../src/server/index.js'
import { tempDir } from '../support/temp-dir.js'

const COUNT = 6_000
const READERS = 200

interface Curve {
  readonly from: number
  readonly total: number
  readonly step: number[]
  readonly value: number[]
}

/** Reads as the page does: only what is new, until the curve is whole. */
async function reader(url: string, run_id: string): Promise<{ steps: number[]; values: number[]; asked: number }> {
  const steps: number[] = []
  const values: number[] = []
  for (let asked = 1; ; asked++) {
    const response = await fetch(`${url}/cairn/curves`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ curves: [{ run_id, key: 'loss', since: steps.length }], points: 20_000 }),
    })
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
    const { curves } = (await response.json()) as { curves: Curve[] }
    for (const { from, step, value } of curves) {
      if (from !== steps.length) throw new Error(`asked for what follows ${steps.length}, told from ${from}`)
      steps.push(...step)
      values.push(...value)
    }
    if (steps.length >= COUNT) return { steps, values, asked }
    await wait(250)
  }
}

describe('200 readers while a process trains', () => {
  it.each(['into the store', 'through the server'])(
    'all see every point, once and in the order of the store: %s',
    async (way) => {
      const store = join(tempDir(), 'mlruns')
      await using server = await startServer({ trackingUri: store })
      const root = fileURLToPath(new URL('../..', import.meta.url))
      const env = {
        ...process.env,
        TSX_TSCONFIG_PATH: join(root, 'tsconfig.json'),
        MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true',
      }
      const where = way === 'into the store' ? store : server.trackingUri
      const args = ['--import', import.meta.resolve('tsx'), join(root, 'test/server/trainer.ts'), where, String(COUNT)]
      const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
      const ended = once(child, 'exit')
      const [said] = (await once(child.stdout, 'data')) as [Buffer]
      const runId = String(said).trim()
      const seen = await Promise.all(Array.from({ length: READERS }, () => reader(server.trackingUri, runId)))
      expect(await ended).toEqual([0, null])
      await using client = createClient({ trackingUri: store })
      const history = await client.getMetricHistory(runId, 'loss')
      const [steps, values] = [history.map(({ step }) => Number(step)), history.map(({ value }) => value)]
      const logged = Array.from({ length: COUNT }, (_, step) => step)
      // Over HTTP several batches are on their way at once: the order is the one in which they came.
      const ordered = way === 'into the store' ? steps : steps.toSorted((one, other) => one - other)
      expect(ordered).toEqual(logged)
      expect(values).toEqual(steps.map(Math.sin))
      const whole = JSON.stringify([steps, values])
      expect(seen.filter((one) => JSON.stringify([one.steps, one.values]) === whole)).toHaveLength(READERS)
      expect(seen.some(({ asked }) => asked > 2)).toBe(true)
    },
    120_000,
  )
})
