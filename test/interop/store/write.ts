import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FileTransport } from '../../../src/transport/file/file.js'
import type { Spec } from './spec.js'

type Call = FileTransport['call']
const T = 1_700_000_000_000
const pairs = (record: Record<string, string>) => Object.entries(record).map(([key, value]) => ({ key, value }))
const WORDS: Record<string, number> = { nan: Number.NaN, inf: Infinity, '-inf': -Infinity }
const SOURCE = { source_type: 'local', schema: '{"a": 1}', profile: '{"rows": 2}' }

async function writeRun(call: Call, one: Spec['runs'][number], experiment_id: string, index: number, parent?: string) {
  const tags = [{ key: 'mlflow.user', value: 'ann' }]
  if (parent) tags.push({ key: 'mlflow.parentRunId', value: parent })
  const start_time = T + index
  const { run } = await call('createRun', { experiment_id, start_time, tags, run_name: one.key, user_id: 'ann' })
  const { run_id, artifact_uri = '' } = run.info
  const given = { params: pairs(one.params), tags: pairs(one.tags) }
  for (let start = 0; start < Math.max(given.params.length, given.tags.length); start += 90) {
    const part = <X>(of: X[]) => of.slice(start, start + 90)
    await call('logBatch', { run_id, params: part(given.params), tags: part(given.tags) })
  }
  for (const key of one.removedTags) await call('deleteTag', { run_id, key })
  const metrics = one.metrics.map(([key, text, timestamp, step]) => ({
    key,
    value: WORDS[text] ?? Number(text),
    timestamp,
    step: BigInt(step),
  }))
  await call('logBatch', { run_id, metrics })
  for (const { name, digest, source, tags: given_ } of one.datasets)
    await call('logInputs', {
      run_id,
      datasets: [{ dataset: { name, digest, source, ...SOURCE }, tags: pairs(given_) }],
    })
  for (const [path, text] of Object.entries(one.artifacts)) {
    const file = join(fileURLToPath(artifact_uri), path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  if (one.status !== 'RUNNING') await call('updateRun', { run_id, status: one.status, end_time: T + 1_000_000 + index })
  if (one.fate !== 'stays') await call('deleteRun', { run_id })
  if (one.fate === 'restored') await call('restoreRun', { run_id })
  return run_id
}

async function writeModel(call: Call, one: Spec['models'][number], experiment_id: string, run_id: string) {
  const { model } = await call('createLoggedModel', {
    experiment_id,
    name: one.name,
    source_run_id: run_id,
    tags: pairs(one.tags),
    params: pairs(one.params),
    model_type: one.type,
  })
  const { model_id } = model.info
  const status = one.status === 'READY' ? 'LOGGED_MODEL_READY' : 'LOGGED_MODEL_UPLOAD_FAILED'
  await call('finalizeLoggedModel', { model_id, status })
  await call('logOutputs', { run_id, models: [{ model_id, step: 4 }] })
  const metrics = one.metrics.map(([key, value, timestamp, step, dataset]) => ({
    ...{ key, value, timestamp, step, model_id },
    ...(dataset ? { dataset_name: dataset.name, dataset_digest: dataset.digest } : {}),
  }))
  await call('logBatch', { run_id, metrics })
}

async function writeRegistered(call: Call, one: Spec['registered'][number], runs: Record<string, string>) {
  const { name } = one
  await call('createRegisteredModel', { name, tags: pairs(one.tags), description: one.description })
  for (const about of one.versions) {
    const run_id = runs[about.run] ?? ''
    const source = `${(await call('getRun', { run_id })).run.info.artifact_uri}/model`
    const { description } = about
    const made = await call('createModelVersion', { name, source, run_id, tags: pairs(about.tags), description })
    const { version } = made.model_version
    if (about.stage !== 'None')
      await call('transitionModelVersionStage', { name, version, stage: about.stage, archive_existing_versions: false })
    if (about.deleted) await call('deleteModelVersion', { name, version })
  }
  for (const [alias, version] of Object.entries(one.aliases))
    await call('setRegisteredModelAlias', { name, alias, version })
  if (one.renamed) await call('renameRegisteredModel', { name, new_name: one.renamed })
}

/** Writes what a spec says into a store, by the operations of the protocol, in the order of write.py. */
export async function write({ call }: FileTransport, spec: Spec): Promise<void> {
  const experiments: string[] = []
  for (const { name, tags, renamed } of spec.experiments) {
    const { experiment_id } = await call('createExperiment', { name, tags: pairs(tags) })
    if (renamed) await call('updateExperiment', { experiment_id, new_name: renamed })
    experiments.push(experiment_id)
  }
  const at = (index: number) => experiments[index] ?? ''
  const runs: Record<string, string> = {}
  for (const [index, one] of spec.runs.entries())
    runs[one.key] = await writeRun(call, one, at(one.experiment), index, one.parent && runs[one.parent])
  for (const one of spec.models) await writeModel(call, one, at(one.experiment), runs[one.run] ?? '')
  for (const one of spec.registered) await writeRegistered(call, one, runs)
  for (const [index, { fate }] of spec.experiments.entries()) {
    if (fate !== 'stays') await call('deleteExperiment', { experiment_id: at(index) })
    if (fate === 'restored') await call('restoreExperiment', { experiment_id: at(index) })
  }
}
