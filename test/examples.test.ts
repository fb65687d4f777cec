import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { numbersIn as numbers, runExample as run, startService } from './support/example.js'
import { tempDir } from './support/temp-dir.js'

const minute = 60_000

describe('quickstart and the service on what it leaves behind', () => {
  const dir = tempDir()
  let output = ''
  beforeAll(async () => {
    output = await run('quickstart.ts', dir)
  }, minute)

  it('loads from the registry what it promoted, and that predicts well', () => {
    const served = [...output.matchAll(/Production is version (\d+): accuracy ([\d.]+) on 60/g)]
    expect(served.map(([, version]) => version)).toEqual(['1', '2', '1'])
    const [first, second, back] = served.map(([, , accuracy]) => Number(accuracy))
    expect(first).toBeGreaterThan(0.8)
    expect(second).toBeGreaterThan(0.94)
    expect(back).toBe(first)
  })

  it('says what it did in a screenful', () => {
    expect(output).toMatch(/Staging → Production/)
    expect(output.split('\n').length).toBeLessThan(30)
  })

  it('leaves runs, pictures and versions in ./mlruns', () => {
    const files = readdirSync(join(dir, 'mlruns'), { recursive: true }).map(String)
    const count = (pattern: RegExp) => files.filter((file) => pattern.test(file)).length
    expect(count(/\.png$/)).toBe(2)
    expect(count(/\.svg$/)).toBe(4)
    expect(count(/metrics.loss$/)).toBe(2)
    expect(count(/model\.onnx$/)).toBe(2)
    expect(count(/models.iris.version-\d+$/)).toBe(2)
  })

  it('adds to that and breaks nothing when it runs again', { timeout: minute }, async () => {
    const again = await run('quickstart.ts', dir)
    expect(numbers(again, /Production is version (\d+):/g)).toEqual([3, 4, 3])
  })

  it('serves the version in Production, refuses bad input by name, and stops cleanly', {
    timeout: minute,
  }, async () => {
    const { url, stop } = await startService('models:/iris/Production', dir)
    const post = (body: string) => fetch(`${url}/predict`, { method: 'POST', body })
    const flower = { sepalLength: 5, sepalWidth: 3.4, petalLength: 1.5, petalWidth: 0.2 }

    const ready = await fetch(`${url}/health/ready`)
    expect([ready.status, await ready.json()]).toEqual([200, { ready: true, model: 'iris', version: '3' }])

    const good = await post(JSON.stringify([flower]))
    expect(good.status).toBe(200)
    expect(await good.json()).toMatchObject({ version: '3', predictions: [{ species: 'setosa' }] })

    const wrong = await post(JSON.stringify([{ ...flower, petalWidth: 'wide' }]))
    expect(wrong.status).toBe(400)
    expect(await wrong.text()).toContain('petalWidth')
    expect((await post('{"not json')).status).toBe(400)
    expect((await fetch(`${url}/elsewhere`)).status).toBe(404)

    expect(await stop()).toBe(0)
  })
})

describe('training', () => {
  it('tfjs: model.fit logs its epochs, and the model loaded back predicts the same', { timeout: minute }, async () => {
    const output = await run('tfjs-training.ts')
    const [accuracy, difference] = [/accuracy ([\d.]+)/, /probability (\S+)/].map((p) => Number(p.exec(output)?.[1]))
    expect(accuracy).toBeGreaterThan(0.9)
    expect(difference).toBeLessThan(1e-6)
  })

  it('onnx: a graph that trains agrees with plain JavaScript in every epoch', { timeout: minute }, async () => {
    const output = await run('onnx-training.ts')
    const differences = numbers(output, /^ +\d+ +[\d.]+ +[\d.]+ +(\S+)$/gm)
    expect(differences).toHaveLength(40)
    expect(Math.max(...differences)).toBeLessThanOrEqual(1e-5)
    expect(numbers(output, /accuracy ([\d.]+) on held-out/g)[0]).toBeGreaterThan(0.9)
  })

  it('search: the best of several learning rates is found by a search', { timeout: minute }, async () => {
    const dir = tempDir()
    const output = await run('search-and-compare.ts', dir)
    expect(numbers(output, /Best: learning rate ([\d.]+) \(run [0-9a-f]{32}\)/g)[0]).toBeGreaterThan(0.1)
    expect(existsSync(join(dir, 'mlruns'))).toBe(true)
  })
})

describe('plug-ins', () => {
  it('a flavor of one’s own is logged, loaded and predicts', { timeout: minute }, async () => {
    const output = await run('custom-flavor.ts')
    expect(output).toContain('"centroids" model')
    expect(numbers(output, /accuracy ([\d.]+) on 60/g)[0]).toBeGreaterThan(0.85)
  })

  it('an artifact store of one’s own keeps files its way', { timeout: minute }, async () => {
    const output = await run('custom-artifact-store.ts')
    expect(output).toMatch(/30000 bytes, kept in \d{2,3}\./)
    expect(output).toContain('the same text')
  })

  it('a transport of one’s own sees every call and leaves the work to another', { timeout: minute }, async () => {
    const dir = tempDir()
    const output = await run('custom-transport.ts', dir)
    const [batches] = numbers(output, /in (\d+) calls of logBatch/g)
    expect(batches).toBeGreaterThan(0)
    expect(batches).toBeLessThan(20)
    expect(existsSync(join(dir, 'mlruns'))).toBe(true)
  })
})
