import { appendFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { localPath } from '../../src/artifacts/location.js'
import { inferSignature } from '../../src/core/infer-signature.js'
import {
  IntegrityError,
  InvalidParameterError,
  NetworkError,
  NotFoundError,
  SignatureMismatchError,
  UnsupportedFlavorError,
} from '../../src/errors.js'
import type { Flavor } from '../../src/models/flavor.js'
import { loadModel } from '../../src/models/load.js'
import { saveModel } from '../../src/models/package.js'
import type { Transport } from '../../src/transport/transport.js'
import { modelHouse } from '../support/model-house.js'
import { plain } from '../support/plain-flavor.js'
import { tempDir } from '../support/temp-dir.js'

const model = { weights: { a: 1, b: 2 } }
const rows = [{ a: 1, b: 2 }]

async function savedModel(options = {}): Promise<string> {
  const dir = join(tempDir(), 'saved')
  await saveModel({ flavors: [plain] }, model, dir, { inputExample: rows, ...options })
  return dir
}

/** A transport that can be unplugged. */
function pluggable() {
  const line = { out: false }
  const transport = (inner: Transport): Transport => ({
    ...inner,
    call: (operation, input, options) => {
      if (line.out) throw new NetworkError('the line is dead')
      return inner.call(operation, input, options)
    },
  })
  return { line, transport }
}

describe('loadModel', () => {
  it('every form of reference leads to the same model, and says what it is', async () => {
    const { log, load, deps } = modelHouse()
    const info = await log(model, { registeredModelName: 'churn', stage: 'Production', alias: 'champion' })
    const folder = localPath(info.artifactPath)
    for (const uri of [
      'models:/churn/1',
      'models:/churn/production',
      'models:/churn/latest',
      'models:/churn@champion',
      `models:/${info.modelId}`,
      `runs:/${info.runId}/model`,
      folder,
      pathToFileURL(folder).href,
    ]) {
      await using loaded = await load(uri)
      expect(await loaded.predict([{ a: 1, b: 1 }]), uri).toEqual([{ sum: 3 }])
      expect(loaded.info, uri).toMatchObject({ flavor: 'plain', modelId: info.modelId, runId: info.runId })
      if (uri.startsWith('models:/churn'))
        expect(loaded.info).toMatchObject({ name: 'churn', version: '1', source: info.modelUri })
      const isCached = loaded.info.path.startsWith(deps.cache.dir)
      expect(isCached, uri).toBe(/^(?:models|runs):/.test(uri))
    }
  })

  it('a version is fetched once; a warm load reads no artifact and asks the registry once', async () => {
    const { log, load, calls, reads } = modelHouse()
    await log(model, { registeredModelName: 'churn', stage: 'Production' })
    await (await load('models:/churn/Production')).dispose()
    calls.length = 0
    reads.length = 0
    await (await load('models:/churn/Production')).dispose()
    expect(reads).toEqual([])
    expect(calls).toEqual(['getLatestVersions'])
    calls.length = 0
    await (await load('models:/churn/1')).dispose()
    expect({ calls, reads }).toEqual({ calls: ['getModelVersion'], reads: [] })
  })

  it('a stage is resolved anew each time', async () => {
    const { log, load } = modelHouse()
    await log(model, { registeredModelName: 'churn', stage: 'Production' })
    await (await load('models:/churn/Production')).dispose()
    await log({ weights: { a: 10, b: 0 } }, { registeredModelName: 'churn', stage: 'Production' })
    await using loaded = await load('models:/churn/Production')
    expect(loaded.info.version).toBe('2')
    expect(await loaded.predict([{ a: 1, b: 1 }])).toEqual([{ sum: 10 }])
  })

  it('a logged model that was deleted is not found, as a version is not, though its files are in the cache', async () => {
    const { line, transport } = pluggable()
    const { log, load, inner } = modelHouse({ transport })
    const { modelId = '', modelUri } = await log(model)
    await (await load(modelUri)).dispose()
    line.out = true
    await (await load(modelUri, { offline: 'fallback' })).dispose()
    await expect(load(modelUri)).rejects.toThrow(NetworkError)
    line.out = false
    await inner.call('deleteLoggedModel', { model_id: modelId })
    await expect(load(modelUri)).rejects.toThrow(NotFoundError)
    await expect(load(modelUri, { offline: 'fallback' })).rejects.toThrow(NotFoundError)
  })

  it('with the registry out of reach, fallback serves what was known last and says it is stale; never fails', async () => {
    const { line, transport } = pluggable()
    const { log, load, warnings } = modelHouse({ transport })
    await log(model, { registeredModelName: 'churn', stage: 'Production' })
    const fresh = await load('models:/churn/Production', { offline: 'fallback' })
    expect(fresh.info).not.toHaveProperty('stale')
    line.out = true
    await expect(load('models:/churn/Production')).rejects.toThrow(NetworkError)
    await using stale = await load('models:/churn/Production', { offline: 'fallback' })
    expect(stale.info).toMatchObject({ version: '1', stale: true })
    expect(warnings.join()).toMatch(/served from the cache/)
    await expect(load('models:/churn/Staging', { offline: 'fallback' })).rejects.toThrow(NetworkError)
  })

  it('offline only never asks, and names what is missing', async () => {
    const { log, load, calls } = modelHouse()
    const info = await log(model, { registeredModelName: 'churn', stage: 'Production' })
    await expect(load('models:/churn/Production', { offline: 'only' })).rejects.toThrow(NotFoundError)
    await load('models:/churn/Production')
    const warm = await load('models:/churn/1')
    calls.length = 0
    expect((await load('models:/churn/Production', { offline: 'only' })).info).toMatchObject({
      version: '1',
      stale: true,
    })
    expect((await load('models:/churn/1', { offline: 'only' })).info).not.toHaveProperty('stale')
    expect((await load(localPath(info.artifactPath), { offline: 'only' })).info.flavor).toBe('plain')
    expect(calls).toEqual([])
    writeFileSync(join(warm.info.path, 'weights.json'), '{}')
    await expect(load('models:/churn/1', { offline: 'only' })).rejects.toThrow(IntegrityError)
    expect((await load('models:/churn/1')).native).toEqual(model.weights)
  })

  it('input that does not fit the signature is refused, naming column, expected and got', async () => {
    const { load } = modelHouse()
    const dir = await savedModel({ signature: inferSignature([{ a: 1.5, b: 2.5 }]) })
    await using loaded = await load(dir)
    await expect(loaded.predict([{ a: 1, b: 'two' }])).rejects.toThrow(SignatureMismatchError)
    await expect(loaded.predict([{ a: 1, b: 'two' }])).rejects.toThrow(/column "b".*double.*"two"/)
    expect(await loaded.predict([{ a: 1, b: 2, more: 'dropped' }])).toEqual([{ sum: 5 }])
  })

  it('replay passes when the answer is the same, and names the first value that differs', async () => {
    const { load } = modelHouse()
    const dir = await savedModel()
    await (await load(dir, { replay: true })).dispose()
    writeFileSync(join(dir, 'weights.json'), '{"a":1,"b":2.1}')
    await expect(load(dir, { replay: true })).rejects.toThrow(/output\[0\]\.sum was 5 and is 5\.2/)
    await (await load(dir, { replay: { tolerance: 0.1 } })).dispose()
    const bare = await savedModel({ inputExample: undefined })
    await expect(load(bare, { replay: true })).rejects.toThrow(InvalidParameterError)
  })

  it('rows of calls at once are asked together, and a bad row fails its own call alone', async () => {
    const sizes: number[] = []
    const counting: Flavor = {
      ...plain,
      load: async (dir, config, options) => {
        const inner = await plain.load(dir, config, options)
        return {
          ...inner,
          predict: async (input) => {
            const asked = input as readonly { a: number }[]
            sizes.push(asked.length)
            if (asked.some(({ a }) => a < 0)) throw new InvalidParameterError('negative')
            return inner.predict(input)
          },
        }
      },
    }
    const { deps } = modelHouse()
    const dir = await savedModel()
    await using loaded = await loadModel({ ...deps, flavors: [counting] }, dir, {
      batch: { maxSize: 4, maxWaitMs: 20 },
    })
    const ask = (a: number) => loaded.predict([{ a, b: 0 }])
    expect(await Promise.all([1, 2, 3, 4, 5, 6].map(ask))).toEqual([1, 2, 3, 4, 5, 6].map((sum) => [{ sum }]))
    expect(sizes).toEqual([4, 2])
    const outcomes = await Promise.allSettled([ask(1), ask(-1), ask(3)])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    const late = ask(9)
    await loaded.dispose()
    expect(await late).toEqual([{ sum: 9 }])
    for (const batch of [{ maxSize: 0 }, { maxWaitMs: -1 }])
      await expect(loadModel(deps, dir, { batch })).rejects.toThrow(InvalidParameterError)
  })

  it('a model with no flavor of ours is an UnsupportedFlavorError naming both lists', async () => {
    const { load } = modelHouse()
    const dir = await savedModel()
    const text = readFileSync(join(dir, 'MLmodel'), 'utf8').replace('plain:', 'sklearn:')
    writeFileSync(join(dir, 'MLmodel'), text)
    await expect(load(dir)).rejects.toThrow(UnsupportedFlavorError)
    await expect(load(dir)).rejects.toThrow(/flavors sklearn;.*there are plain/)
  })

  it('such a model is not even fetched: its MLmodel is read before the rest', async () => {
    const { log, load, deps, reads } = modelHouse()
    const info = await log(model)
    const other: Flavor = { ...plain, name: 'other' }
    await expect(loadModel({ ...deps, flavors: [other] }, info.modelUri)).rejects.toThrow(UnsupportedFlavorError)
    expect(reads).toEqual(['MLmodel'])
    await (await load(info.modelUri)).dispose()
    await expect(load(info.modelUri, { verify: 'never' as never })).rejects.toThrow(/"changed" or "always"/)
  })

  it.each([
    ['no YAML', '{{{'],
    ['a list', '- a'],
    ['a prototype', 'flavors:\n  __proto__: {a: 1}'],
    ['code out of the folder', 'flavors:\n  plain: {code: ../..}'],
    ['js', 'flavors: !!js/function "function () {}"'],
    ['python', 'flavors: !!python/object/apply:os.system ["id"]'],
    ['deep', `flavors: ${'['.repeat(10_000)}`],
    ['long', `flavors: ${'x'.repeat(5_000_000)}`],
  ])('an MLmodel with %s is an IntegrityError, and no prototype changes', async (_, text) => {
    const { load } = modelHouse()
    const dir = await savedModel()
    writeFileSync(join(dir, 'MLmodel'), text)
    await expect(load(dir)).rejects.toThrow(IntegrityError)
    expect(({} as Record<string, unknown>).a).toBeUndefined()
  })

  it('a loader_module is never imported, a folder without MLmodel is a NotFoundError, a wrong option is named', async () => {
    const { load } = modelHouse()
    const dir = await savedModel()
    appendFileSync(join(dir, 'MLmodel'), '\nloader_module: os\n')
    await (await load(dir)).dispose()
    rmSync(join(dir, 'MLmodel'))
    await expect(load(dir)).rejects.toThrow(NotFoundError)
    await expect(load(join(dir, 'absent'))).rejects.toThrow(NotFoundError)
    await expect(load(dir, { offline: 'maybe' as never })).rejects.toThrow(/"never", "fallback" or "only"/)
    await expect(load('')).rejects.toThrow(InvalidParameterError)
  })

  it('a model whose file is gone is not whole', async () => {
    const { load } = modelHouse()
    const dir = await savedModel()
    rmSync(join(dir, 'weights.json'))
    await expect(load(dir)).rejects.toThrow(IntegrityError)
    await expect(load(dir)).rejects.toThrow(/lacks a file.*weights are gone/)
  })

  it('a model written anew under the same runs:/ path is fetched anew', async () => {
    const { newRun, load } = modelHouse()
    const run = await newRun()
    const place = join(localPath(run.artifactUri as string), 'm')
    cpSync(await savedModel(), place, { recursive: true })
    expect((await load(`runs:/${run.runId}/m`)).native).toEqual({ a: 1, b: 2 })
    rmSync(place, { recursive: true })
    await saveModel({ flavors: [plain] }, { weights: { a: 7 } }, place)
    expect((await load(`runs:/${run.runId}/m`)).native).toEqual({ a: 7 })
    await expect(load(`runs:/${run.runId}/other`)).rejects.toThrow(NotFoundError)
  })

  it('stops with the reason of the signal, and leaves no entry', async () => {
    const { log, load, deps } = modelHouse()
    const info = await log(model)
    const reason = new Error('enough')
    await expect(load(info.modelUri, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect((await deps.cache.info()).entries).toEqual([])
  })
})
