import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { createClient } from '../../src/index.js'
import { built } from '../support/built.js'
import { bundleAll, hasBundler } from '../support/bundle.js'
import { child } from '../support/child.js'
import { linearLayers, linearOnnx } from '../support/linear-models.js'
import { tempDir } from '../support/temp-dir.js'

const repository = new URL('../../', import.meta.url).pathname
const PEERS = ['onnxruntime-node', '@tensorflow', 'sharp']

/** A project that has the library and its dependencies, and none of the optional packages. */
function bareProject(): string {
  const dir = tempDir()
  writeFileSync(join(dir, 'package.json'), '{ "type": "module" }')
  cpSync(join(repository, 'src'), join(dir, 'src'), { recursive: true })
  mkdirSync(join(dir, 'node_modules'))
  for (const name of readdirSync(join(repository, 'node_modules')))
    if (!name.startsWith('.') && !PEERS.includes(name))
      symlinkSync(join(repository, 'node_modules', name), join(dir, 'node_modules', name))
  return dir
}

interface Answer {
  readonly errors: Readonly<Record<string, { name: string; code: string; message: string }>>
  readonly status: string
  readonly models: number
}

describe('without the optional packages', () => {
  let answer: Answer
  const dir = bareProject()
  beforeAll(async () => {
    const client = createClient({ trackingUri: join(dir, 'mlruns') })
    await client.saveModel(linearOnnx(), join(dir, 'onnx'))
    await client.saveModel(linearLayers(), join(dir, 'tfjs'))
    writeFileSync(join(dir, 'model.onnx'), linearOnnx())
    const { stdout, stderr } = await child(
      `
      import { createClient, loadModel, logModel, searchLoggedModels, startRun } from ${JSON.stringify(join(dir, 'src/index.ts'))}
      const errors = {}
      const attempt = async (name, act) => {
        await act().catch((error) => {
          errors[name] = { name: error.constructor.name, code: error.code, message: error.message }
        })
      }
      await attempt('load onnx', () => loadModel('onnx'))
      await attempt('load tfjs', () => loadModel('tfjs'))
      const run = await startRun()
      await attempt('log', () => logModel('model.onnx', { name: 'model', registeredModelName: 'churn' }))
      const bytes = new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 0])
      await attempt('image', () => run.logImage(bytes, { key: 'sample' }))
      await run.end()
      const client = createClient()
      const { info } = await client.getRun(run.runId)
      const models = await searchLoggedModels({ experimentIds: ['0'] })
      const registered = await client.searchRegisteredModels()
      console.log(JSON.stringify({ errors, status: info.status, models: models.length + registered.length }))
      `,
      { cwd: dir },
    )
    expect(stdout, stderr).not.toBe('')
    answer = JSON.parse(stdout) as Answer
  }, 60_000)

  it('a model names the one it needs, and the command that installs it without a download of GPU libraries', () => {
    const command = 'ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node'
    for (const name of ['load onnx', 'log']) {
      expect(answer.errors[name]).toMatchObject({ name: 'MissingPeerError', code: 'MISSING_PEER' })
      expect(answer.errors[name]?.message).toContain(command)
    }
    expect(answer.errors['load tfjs']).toMatchObject({ name: 'MissingPeerError', code: 'MISSING_PEER' })
    expect(answer.errors['load tfjs']?.message).toContain('npm install @tensorflow/tfjs')
  })

  it('nothing of the model is left, and the run goes on', () => {
    expect(answer).toMatchObject({ status: 'FINISHED', models: 0 })
    expect(answer.errors.image).toBeUndefined()
  })
  it.skipIf(!hasBundler)(
    'a bundler makes its bundle, in which a model names the one it needs',
    async () => {
      cpSync(dirname(await built()), join(dir, 'dist'), { recursive: true })
      const bundle = join(dir, 'bundle.mjs')
      bundleAll(join(dir, 'dist/index.js'), bundle, '--format=esm')
      const { stdout, stderr } = await child(
        `
      import { loadModel } from 'CAIRN'
      for (const name of ['onnx', 'tfjs']) await loadModel(name).catch((error) => console.log(error.code + ' ' + error.message))
      `,
        { cwd: dir, built: bundle },
      )
      const messages = ['load onnx', 'load tfjs'].map((name) => `MISSING_PEER ${answer.errors[name]?.message}`)
      expect(stdout.trim().split('\n'), stderr).toEqual(messages)
    },
    60_000,
  )
})
