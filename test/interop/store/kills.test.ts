import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FileTransport, fileTransport } from '../../../src/transport/file/file.js'
import { canTrace, killedAfter, killedAt, type Moment, moments } from '../../soak/store-kills.js'
import { story } from '../../soak/story.js'
import { recordFault } from '../../support/fault-line.js'
import { tempDir } from '../../support/temp-dir.js'
import { GENERATIONS } from './python.js'
import { type Seen, type Watcher, watcher } from './watcher.js'

type Call = FileTransport['call']

async function runsOf(call: Call, view: 'ACTIVE_ONLY' | 'ALL') {
  const { experiments } = await call('searchExperiments', { view_type: view })
  const experiment_ids = experiments.map(({ experiment_id }) => experiment_id)
  const { runs } = await call('searchRuns', { experiment_ids, run_view_type: view, max_results: 1000 })
  return { experiments, runs }
}

/** Another writer takes up each run where the killed one left it. */
async function goOn(call: Call): Promise<void> {
  for (const { info } of (await runsOf(call, 'ACTIVE_ONLY')).runs) {
    const { run_id } = info
    await call('logBatch', { run_id, metrics: [{ key: 'loss', value: 9, timestamp: 1_800_000_000_000, step: 9 }] })
    await call('updateRun', { run_id, status: 'FINISHED' })
  }
}

/** Half-way through a rename Python goes by the name in a model's file, we by that of its folder: either will do. */
const either = (name: string): string => name.replace(/ renamed(?= \d+$|$)/, '')

const sorted = (seen: Seen): Seen => ({
  ...seen,
  experiments: seen.experiments.toSorted(),
  runs: seen.runs.toSorted(),
  registered: seen.registered.map(either).toSorted(),
  versions: seen.versions.map(either).toSorted(),
})

/** As watch.py looks. */
async function look(call: Call): Promise<Seen> {
  const { experiments, runs } = await runsOf(call, 'ALL')
  const points: Record<string, number> = {}
  for (const { info, data } of runs)
    for (const { key } of data.metrics) {
      const { metrics } = await call('getMetricHistory', { run_id: info.run_id, metric_key: key })
      points[`${info.run_name} ${key}`] = metrics.length
    }
  const active = experiments.filter((one) => one.lifecycle_stage === 'active').map((one) => one.experiment_id)
  const { models } = await call('searchLoggedModels', { experiment_ids: active })
  const { registered_models } = await call('searchRegisteredModels', { max_results: 1000 })
  const { model_versions } = await call('searchModelVersions', {})
  return sorted({
    experiments: experiments.map(({ name }) => name),
    runs: runs.map(({ info }) => info.run_name ?? ''),
    points,
    models: models.length,
    registered: registered_models.map(({ name }) => name),
    versions: model_versions.map(({ name, version }) => `${name} ${version}`),
  })
}

/** Of the writers before and after the killed one. */
const CERTAIN = ['first renamed loss', 'next renamed loss']

/** How many of the moments are tried; all of them with CAIRN_SOAK. */
const SOME = process.env.CAIRN_SOAK ? Number.MAX_SAFE_INTEGER : 16

function some(all: readonly Moment[]): Moment[] {
  const stride = Math.max(1, all.length / SOME)
  return Array.from({ length: Math.min(all.length, SOME) }, (_, index) => all[Math.floor(index * stride)] as Moment)
}

describe.each(GENERATIONS.slice(0, 1))('a writer killed, and then MLflow "%s" and another writer', (environment) => {
  let python: Watcher
  let whole = ''
  beforeAll(async () => {
    python = watcher(environment)
    whole = join(tempDir(), 'mlruns')
    await story(fileTransport({ root: whole }), 'first')
  })
  afterAll(() => python?.close())

  /** Answers how many points MLflow finds of the seven that are certain. */
  async function check(root: string, at: string): Promise<number> {
    const seen = await python.look(root)
    expect(seen.runs, at).toContain('first renamed')
    expect(seen.points['first renamed loss'], at).toBe(3)
    const { call } = fileTransport({ root })
    await goOn(call)
    await story({ call }, 'next')
    const after = sorted(await python.look(root))
    expect(after, at).toEqual(await look(call))
    expect(after.points, at).toMatchObject({ 'next renamed loss': 3, 'first renamed loss': 4 })
    // What is still locked nobody has to wait for: its owner is gone.
    const locks = readdirSync(join(root, '.cairn.trash', 'locks')).filter((name) => name.endsWith('.lock'))
    for (const name of locks) {
      const { pid } = JSON.parse(readFileSync(join(root, '.cairn.trash', 'locks', name), 'utf8')) as { pid: number }
      expect(() => process.kill(pid, 0), `${at} ${name}`).toThrow()
    }
    return CERTAIN.reduce((sum, name) => sum + (after.points[name] ?? 0), 0)
  }

  it.skipIf(!canTrace)(
    'at a write, a rename, a link, …: all is found, and the next one goes on',
    { timeout: 3_600_000 },
    async () => {
      const all = await moments(tempDir())
      expect(all.length).toBeGreaterThan(150)
      let [killed, arrived] = [0, 0]
      for (const moment of some(all)) {
        const root = join(tempDir(), 'mlruns')
        cpSync(whole, root, { recursive: true })
        if (await killedAt(moment, root, 'killed')) killed++
        arrived += await check(root, `${moment.call} ${moment.when}`)
      }
      recordFault({ logged: 7 * some(all).length, arrived, exit: 'SIGKILL', note: 'as MLflow reads them' })
      expect(killed).toBeGreaterThan(some(all).length * 0.9)
    },
  )

  it('by the clock: all is found, and the next one goes on', { timeout: 3_600_000 }, async () => {
    const times = process.env.CAIRN_SOAK ? 100 : 5
    let arrived = 0
    for (let time = 0; time < times; time++) {
      const root = join(tempDir(), 'mlruns')
      cpSync(whole, root, { recursive: true })
      const ms = 150 + Math.random() * 500
      await killedAfter(ms, root, 'killed')
      arrived += await check(root, `${ms} ms`)
    }
    recordFault({ logged: 7 * times, arrived, exit: 'SIGKILL', note: 'as MLflow reads them' })
  })
})
