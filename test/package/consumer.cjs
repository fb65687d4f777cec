// A stranger's CommonJS file: require alone carries the whole story.
const assert = require('node:assert/strict')
const { existsSync, readFileSync } = require('node:fs')
const { join } = require('node:path')
const { startRun, setTrackingUri, CairnError, InvalidParameterError } = require('cairn-ml')

const warnings = []
process.on('warning', (warning) => warnings.push(String(warning)))

async function main() {
  const store = `mlruns-cjs-${process.version}`
  setTrackingUri(`./${store}`)
  const run = await startRun()
  run.logMetric('loss', 0.5, { step: 1 })
  assert.throws(() => run.logMetric('loss', 'high'), InvalidParameterError)
  await run.flush()
  await run.end()
  const file = join(store, run.experimentId, run.runId, 'metrics', 'loss')
  assert.ok(existsSync(file), `${file} is missing`)
  assert.match(readFileSync(file, 'utf8'), /^\d{13} 0\.5 1\n$/)
  assert.ok(new InvalidParameterError('x') instanceof CairnError)
  assert.equal((await import('cairn-ml')).CairnError, CairnError)
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(warnings, [])
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
