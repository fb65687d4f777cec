import { type FileTransport, fileTransport } from '../../src/transport/file/file.js'

const T = 1_700_000_000_000

/** Everything that is written into a store, once each; `who` keeps the names apart. */
export async function story({ call }: Pick<FileTransport, 'call'>, who: string): Promise<void> {
  const name = `by ${who}`
  const { experiment_id } = await call('createExperiment', { name, tags: [{ key: 'team', value: 'a' }] })
  const { run } = await call('createRun', {
    experiment_id,
    start_time: T,
    run_name: who,
    tags: [{ key: 't', value: '1' }],
  })
  const { run_id, artifact_uri } = run.info
  const point = (key: string, step: number) => ({ key, value: step + 0.5, timestamp: T + step, step })
  const param = { key: 'lr', value: '0.1' }
  await call('logBatch', {
    run_id,
    metrics: [point('loss', 0), point('a/b', 0)],
    params: [param],
    tags: [{ key: 'u/v', value: '2' }],
  })
  await call('logBatch', { run_id, metrics: [point('loss', 1), point('loss', 2), point('a/b', 1)] })
  await call('setTag', { run_id, key: 't', value: '3' })
  await call('setTag', { run_id, key: 'mlflow.runName', value: `${who} renamed` })
  await call('deleteTag', { run_id, key: 'u/v' })
  const dataset = { name: 'iris', digest: who, source_type: 'local', source: '{}' }
  await call('logInputs', { run_id, datasets: [{ dataset, tags: [{ key: 'mlflow.data.context', value: 'eval' }] }] })
  const { model } = await call('createLoggedModel', {
    experiment_id,
    name: 'net',
    source_run_id: run_id,
    params: [param],
  })
  const { model_id } = model.info
  await call('setLoggedModelTags', { model_id, tags: [{ key: 't', value: '1' }] })
  await call('logBatch', { run_id, metrics: [{ ...point('auc', 0), model_id }] })
  await call('finalizeLoggedModel', { model_id, status: 'LOGGED_MODEL_READY' })
  await call('logOutputs', { run_id, models: [{ model_id, step: 1 }] })
  await call('updateRun', { run_id, status: 'FINISHED', end_time: T + 9 })
  await call('createRegisteredModel', { name, tags: [{ key: 't', value: '1' }], description: 'd' })
  for (const source of [`${artifact_uri}/a`, `models:/${model_id}`])
    await call('createModelVersion', { name, source, run_id, tags: [{ key: 'v', value: '1' }] })
  await call('setRegisteredModelAlias', { name, alias: 'best', version: '2' })
  await call('transitionModelVersionStage', {
    name,
    version: '1',
    stage: 'Production',
    archive_existing_versions: true,
  })
  await call('updateModelVersion', { name, version: '1', description: 'new' })
  await call('renameRegisteredModel', { name, new_name: `${name} renamed` })
  await call('deleteRegisteredModelAlias', { name: `${name} renamed`, alias: 'best' })
  await call('deleteModelVersion', { name: `${name} renamed`, version: '1' })
  await call('deleteLoggedModel', { model_id })
  await call('deleteRun', { run_id })
  await call('restoreRun', { run_id })
  await call('updateExperiment', { experiment_id, new_name: `${name} renamed` })
  await call('deleteExperiment', { experiment_id })
  await call('restoreExperiment', { experiment_id })
  await call('deleteRegisteredModel', { name: `${name} renamed` })
}

/** As a program: ROOT WHO. */
if (process.argv[1]?.endsWith('story.ts')) {
  const [root = '', who = ''] = process.argv.slice(2)
  await story(fileTransport({ root }), who)
}
