import { fileTransport } from '../../src/transport/file/file.js'

/** One of several writers of a store, as writer.py is one: ROOT EXPERIMENT SHARED_RUN MODEL WHO RUNS POINTS VERSIONS. */
const [root = '', experiment_id = '', shared = '', name = '', who = '', runs, points, versions] = process.argv.slice(2)
const { call } = fileTransport({ root })
for (let index = 0; index < Number(runs); index++) {
  const { run } = await call('createRun', { experiment_id, run_name: `${who} ${index}` })
  const { run_id } = run.info
  const metrics = ['a', 'b/c'].flatMap((key) =>
    Array.from({ length: Number(points) }, (_, step) => ({ key, value: step * 0.5, timestamp: step, step })),
  )
  await call('logBatch', {
    run_id,
    metrics,
    params: [{ key: 'who', value: who }],
    tags: [{ key: 'index', value: `${index}` }],
  })
  await call('updateRun', { run_id, status: 'FINISHED', end_time: Date.now() })
  const step = Number(who) * 1_000_000 + index
  await call('logMetric', { run_id: shared, key: 'shared', value: index, timestamp: 1, step })
}
for (let index = 0; index < Number(versions); index++)
  await call('createModelVersion', { name, source: 's3://lake/model', tags: [{ key: 'who', value: who }] })
