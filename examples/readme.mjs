import { getRun, startRun } from 'cairn-ml'

const { runId } = await startRun({ runName: 'first', params: { lr: 0.1 } }, async (run) => {
  let weight = 0
  for (let step = 0; step < 50; step++) {
    weight -= 0.1 * 2 * (weight - 3) // gradient descent towards 3
    run.logMetric('loss', (weight - 3) ** 2, step)
  }
  await run.logJson({ weight }, 'model.json')
  return run
})
console.log((await getRun(runId)).data.metrics)
