import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { fileTransport } from '../../../src/transport/file/file.js'
import { recordFault } from '../../support/fault-line.js'
import { tempDir } from '../../support/temp-dir.js'

const SCRIPT = join(import.meta.dirname, '..', '..', 'support', 'hot-writer.ts')

it.skipIf(process.platform !== 'linux')(
  'a writer killed in the middle of a loop leaves whole lines: what it logged is read, and no search breaks',
  { timeout: 120_000 },
  async () => {
    const root = join(tempDir(), 'mlruns')
    const notes = join(tempDir(), 'notes')
    const { call } = fileTransport({ root })
    const begun = performance.now()
    let [logged, arrived, twice] = [0, 0, 0]
    for (let round = 0; round < 8; round++) {
      const { run } = await call('createRun', { experiment_id: '0' })
      const { run_id } = run.info
      const child = spawn(process.execPath, ['--import', 'tsx', SCRIPT, root, run_id, notes], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const gone = new Promise((done) => child.on('close', done))
      await new Promise((done) => child.stdout.once('data', done))
      await wait(20 + round * 7)
      child.kill('SIGKILL')
      await gone
      const before = arrived
      for (const metric_key of ['loss', 'a/b']) {
        const file = join(root, '0', run_id, 'metrics', metric_key)
        if (!existsSync(file)) continue
        const text = readFileSync(file, 'utf8')
        expect(text.endsWith('\n')).toBe(true)
        const lines = text.trimEnd().split('\n')
        for (const line of lines) expect(line).toMatch(/^\d+ \S+ \d+ *$/)
        const steps: number[] = []
        let page_token: string | undefined
        do {
          const page = await call('getMetricHistory', { run_id, metric_key, ...(page_token ? { page_token } : {}) })
          steps.push(...page.metrics.map(({ step }) => Number(step)))
          page_token = page.next_page_token
        } while (page_token)
        expect(steps).toHaveLength(lines.length)
        arrived += new Set(steps).size
        twice += steps.length - new Set(steps).size
      }
      const noted = Number(readFileSync(notes, 'utf8'))
      expect(arrived - before).toBeGreaterThanOrEqual(noted)
      logged += noted
      await call('logMetric', { run_id, key: 'loss', value: 1, timestamp: 1, step: 1e9 })
    }
    const note = 'eight kills; of calls that were under way some points arrived too'
    recordFault({ logged, arrived, twice, exit: 'SIGKILL', seconds: (performance.now() - begun) / 1000, note })
    const { runs } = await call('searchRuns', { experiment_ids: ['0'] })
    for (const { data } of runs) expect(data.metrics.find(({ key }) => key === 'loss')?.step).toBe(1e9)
  },
)
