import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { fileTransport } from '../../../src/transport/file/file.js'
import { tempDir } from '../../support/temp-dir.js'

const SCRIPT = join(import.meta.dirname, '..', '..', 'support', 'register-versions.ts')

function start(...args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', SCRIPT, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  const ended = new Promise<{ code: number | null; said: string }>((done) => {
    child.on('close', (code) => done({ code, said }))
  })
  return { child, ended }
}

async function store() {
  const root = join(tempDir(), 'mlruns')
  const { call } = fileTransport({ root })
  await call('createRegisteredModel', { name: 'churn', description: 'kept' })
  const { model } = await call('createLoggedModel', { experiment_id: '0', name: 'model' })
  return { root, call, model_id: model.info.model_id }
}

it('8 processes register versions of one model: 1 to N, none missing, none twice, and no change lost', async () => {
  const { root, call, model_id } = await store()
  const each = 5
  const workers = Array.from({ length: 8 }, (_, at) => `w${at}`)
  const ends = await Promise.all(workers.map((who) => start(root, 'churn', model_id, String(each), who).ended))
  for (const end of ends) expect(end).toEqual({ code: 0, said: '' })
  const wanted = Array.from({ length: 8 * each }, (_, at) => at + 1)
  const { model_versions: found } = await call('searchModelVersions', { filter: "name = 'churn'" })
  expect(found.map(({ version }) => Number(version)).sort((a, b) => a - b)).toEqual(wanted)
  for (const who of workers)
    expect(found.filter(({ tags }) => tags.some((tag) => tag.value === who))).toHaveLength(each)
  const { registered_model: model } = await call('getRegisteredModel', { name: 'churn' })
  expect(model.description).toBe('kept')
  expect(model.aliases.map(({ alias }) => alias)).toEqual(workers)
  expect(model.tags).toHaveLength(8 * each)
  const { model: logged } = await call('getLoggedModel', { model_id })
  const remembered: { version: number }[] = JSON.parse(logged.info.tags[0]?.value ?? '[]')
  expect(remembered.map(({ version }) => version).sort((a, b) => a - b)).toEqual(wanted)
}, 120_000)

it('processes killed while they register leave a store that is whole, and nobody waits for their locks', async () => {
  const { root, call, model_id } = await store()
  for (let round = 0; round < 4; round++) {
    const { child, ended } = start(root, 'churn', model_id, '100000', `w${round}`)
    const before = (await call('searchModelVersions', {})).model_versions.length
    while ((await call('searchModelVersions', {})).model_versions.length === before) await wait(20)
    await wait(37 * round)
    child.kill('SIGKILL')
    await ended
  }
  const { model_versions: found } = await call('searchModelVersions', {})
  const { model_version: next } = await call('createModelVersion', { name: 'churn', source: `models:/${model_id}` })
  expect(Number(next.version)).toBe(found.length + 1)
  for (const { version } of found)
    expect(readFileSync(join(root, 'models', 'churn', `version-${version}`, 'meta.yaml'), 'utf8')).toMatch(
      /^version: /m,
    )
}, 120_000)
