// A stranger's ESM file: every door, imported and required, is one instance; a run lands in the local store.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import * as cairn from 'cairn-ml'

const warnings = []
process.on('warning', (warning) => warnings.push(String(warning)))
const require = createRequire(import.meta.url)
const root = { ...cairn }
const manifest = JSON.parse(readFileSync('node_modules/cairn-ml/package.json', 'utf8'))

for (const door of Object.keys(manifest.exports).filter((door) => door !== './package.json')) {
  const name = `cairn-ml${door.slice(1)}`
  const imported = await import(name)
  const required = require(name)
  assert.ok(Object.keys(imported).length > 0, `${name} exports nothing`)
  assert.deepEqual(Object.keys(required).sort(), Object.keys(imported).sort(), name)
  for (const key of Object.keys(imported)) {
    assert.equal(required[key], imported[key], `${name} has two instances of ${key}`)
    if (key in root) assert.equal(imported[key], root[key], `${name} has its own ${key}`)
  }
}
assert.equal(require('cairn-ml').CairnError, cairn.CairnError)

const { startRun, activeRun, getRun, getMetricHistory, setTrackingUri, CairnError } = cairn
setTrackingUri(`./mlruns-esm-${process.version}`)
const runId = await startRun({ runName: 'smoke' }, async (run) => {
  run.logParam('depth', 3)
  for (let step = 0; step < 10; step++) cairn.logMetric('loss', 1 / (step + 1), step)
  assert.equal(require('cairn-ml').activeRun(), activeRun())
  return run.runId
})
const { info, data } = await getRun(runId)
assert.equal(info.status, 'FINISHED')
assert.deepEqual(data.params, { depth: '3' })
assert.equal((await getMetricHistory(runId, 'loss')).length, 10)
await assert.rejects(getRun('0'.repeat(32)), (error) => error instanceof CairnError && error.name === 'NotFoundError')
await new Promise((resolve) => setImmediate(resolve))
assert.deepEqual(warnings, [])
