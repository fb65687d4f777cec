import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { fileTransport } from '../../src/transport/file/file.js'

const program = fileURLToPath(new URL('./writer.ts', import.meta.url))

/** Starts one writer with the arguments of writer.ts; resolves when it has written all, rejects with what it said. */
export type StartWriter = (args: readonly string[]) => Promise<unknown>

/** A Node process that writes. */
export const nodeWriter: StartWriter = (args) =>
  promisify(execFile)(process.execPath, ['--import', import.meta.resolve('tsx'), program, ...args])

export interface Work {
  readonly runs: number
  readonly points: number
  readonly versions: number
}

/** Lets all writers write into the store at once, each as much, and looks whether all of it is there. */
export async function writeTogether(root: string, writers: readonly StartWriter[], work: Work): Promise<void> {
  const { call } = fileTransport({ root })
  const { experiment_id } = await call('createExperiment', { name: 'together' })
  const { run: shared } = await call('createRun', { experiment_id, run_name: 'shared' })
  await call('createRegisteredModel', { name: 'churn' })
  const args = (who: number) => [
    ...[root, experiment_id, shared.info.run_id, 'churn', String(who)],
    ...[work.runs, work.points, work.versions].map(String),
  ]
  await Promise.all(writers.map((start, who) => start(args(who))))

  const { runs } = await call('searchRuns', { experiment_ids: [experiment_id], max_results: 50_000 })
  const names = writers.flatMap((_, who) => Array.from({ length: work.runs }, (_, index) => `${who} ${index}`))
  expect(runs.map(({ info }) => info.run_name).sort()).toEqual([...names, 'shared'].sort())
  for (const { info, data } of runs) {
    if (info.run_name === 'shared') continue
    expect(info.status).toBe('FINISHED')
    expect(data.params).toEqual([{ key: 'who', value: info.run_name?.split(' ')[0] }])
    expect(data.tags).toContainEqual({ key: 'index', value: info.run_name?.split(' ')[1] })
    for (const metric_key of ['a', 'b/c']) {
      const { metrics } = await call('getMetricHistory', { run_id: info.run_id, metric_key })
      expect(metrics.map(({ value }) => value)).toEqual(Array.from({ length: work.points }, (_, step) => step * 0.5))
    }
  }
  const history = await call('getMetricHistory', { run_id: shared.info.run_id, metric_key: 'shared' })
  expect(new Set(history.metrics.map(({ step }) => step)).size).toBe(writers.length * work.runs)
  expect(history.metrics).toHaveLength(writers.length * work.runs)

  const { model_versions } = await call('searchModelVersions', { filter: "name = 'churn'" })
  const numbers = model_versions.map(({ version }) => Number(version)).sort((a, b) => a - b)
  expect(numbers).toEqual(Array.from({ length: writers.length * work.versions }, (_, index) => index + 1))
  for (const who of writers.keys())
    expect(model_versions.filter(({ tags }) => tags?.some(({ value }) => value === String(who)))).toHaveLength(
      work.versions,
    )
}
