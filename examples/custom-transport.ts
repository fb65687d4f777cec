/** A transport of one's own: it counts the calls that pass through and leaves the work to another. Logging, tracing or a veto go the same way. */
import { registerTransport, setExperiment, setTrackingUri, startRun } from 'cairn-ml'

const calls = new Map<string, number>()

registerTransport('counted', async (uri, { openTransport }) => {
  const inner = await openTransport(uri.replace(/^counted:/, ''))
  return {
    call(operation, input, options) {
      calls.set(operation, (calls.get(operation) ?? 0) + 1)
      return inner.call(operation, input, options)
    },
    close: () => inner.close(),
  }
})

setTrackingUri(`counted:${process.env.MLFLOW_TRACKING_URI ?? './mlruns'}`)
await setExperiment('counted')

const points = 5000
await startRun({ runName: 'a busy loop' }, (run) => {
  for (let step = 0; step < points; step++) run.logMetric('wave', Math.sin(step / 100), step)
})

console.table(Object.fromEntries([...calls].map(([operation, count]) => [operation, { calls: count }])))
console.log(`${points} points went to the store in ${calls.get('logBatch')} calls of logBatch.`)
