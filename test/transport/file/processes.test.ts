import { spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileTransport } from '../../../src/transport/file/file.js'
import { nodeWriter, writeTogether } from '../../soak/writers.js'
import { exitOf, recordFault } from '../../support/fault-line.js'
import { tempDir } from '../../support/temp-dir.js'

interface Said {
  readonly said: string
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Runs a script over the store at `root` in its own process; answers what it printed, and how it ended. */
function child(root: string, body: string): Promise<Said> {
  const script = `
    import { fileTransport } from ${JSON.stringify(resolve('src/transport/file/file.ts'))}
    const { call } = fileTransport({ root: ${JSON.stringify(root)} })
    ${body}`
  const process_ = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let out = ''
  process_.stdout.on('data', (chunk) => {
    out += chunk
  })
  return new Promise((done) => process_.on('close', (code, signal) => done({ said: out.trim(), code, signal })))
}

describe('processes on one store', () => {
  it('that create one experiment at once get one, and one default experiment', async () => {
    const root = join(tempDir(), 'mlruns')
    const create = `await call('createExperiment', { name: 'one' }).then(() => console.log('made'), (e) => console.log(e.code))`
    const all = await Promise.all([0, 1, 2, 3].map(() => child(root, create)))
    expect(all.map(({ said }) => said).sort()).toEqual([
      'RESOURCE_ALREADY_EXISTS',
      'RESOURCE_ALREADY_EXISTS',
      'RESOURCE_ALREADY_EXISTS',
      'made',
    ])
    const { experiments } = await fileTransport({ root }).call('searchExperiments', { order_by: ['name'] })
    expect(experiments.map(({ name }) => name)).toEqual(['Default', 'one'])
  })
  it('that log to one run lose no point and tear no line', async () => {
    const root = join(tempDir(), 'mlruns')
    const { call } = fileTransport({ root })
    const { run_id } = (await call('createRun', { experiment_id: '0' })).run.info
    const log = (id: number) => `
      for (let i = 0; i < 50; i++)
        await call('logBatch', { run_id: '${run_id}', metrics: Array.from({ length: 100 }, (_, k) =>
          ({ key: 'm' + (k % 2), value: Math.random(), timestamp: 1, step: ${id * 10_000} + i * 100 + k })) })`
    const begun = performance.now()
    const ends = await Promise.all([0, 1, 2].map((id) => child(root, log(id))))
    const seconds = (performance.now() - begun) / 1000
    let [arrived, twice] = [0, 0]
    for (const metric_key of ['m0', 'm1']) {
      const { metrics } = await call('getMetricHistory', { run_id, metric_key })
      const once = new Set(metrics.map(({ step }) => step)).size
      arrived += once
      twice += metrics.length - once
    }
    recordFault({ logged: 15_000, arrived, twice, exit: exitOf(...ends), seconds })
    expect([arrived, twice]).toEqual([15_000, 0])
  })
})

it('8 processes of 50 runs each leave 400 runs, with every metric, and versions from 1 to N', {
  timeout: 300_000,
}, async () => {
  const root = join(tempDir(), 'mlruns')
  await writeTogether(root, Array(8).fill(nodeWriter), { runs: 50, points: 5, versions: 5 })
})
