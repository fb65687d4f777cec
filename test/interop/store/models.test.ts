import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadIris, scaleOf, species } from '../../../examples/support/iris.js'
import { networkToOnnx, newNetwork } from '../../../examples/support/network.js'
import { createClient, inferSignature } from '../../../src/index.js'
import { linearOnnx } from '../../support/linear-models.js'
import { tempDir } from '../../support/temp-dir.js'
import { GENERATIONS, python } from './python.js'

interface Loaded {
  readonly predicted: Record<string, unknown[]>
  readonly onnx: string[]
  readonly signature: Record<string, unknown>
  readonly example: unknown
  readonly metadata: unknown
  readonly run: string
}

interface Logged {
  readonly uri: string
  readonly given: number[][]
  readonly predicted: Record<string, unknown[]>
  readonly model: number[]
  readonly signature: Record<string, unknown>
}

const close = (a: number, b: number) => Math.abs(a - b) <= 1e-5 * Math.max(1, Math.abs(b))
const signatureOf = (json: object) =>
  Object.fromEntries(Object.entries(json).map(([key, text]) => [key, text ? JSON.parse(text) : null]))

describe.each(GENERATIONS)('models in a store that MLflow "%s" and Node share', (environment) => {
  it('logged by Node as ONNX load and predict the same in Python; signature, example and metadata are there', async () => {
    const root = join(tempDir(), 'mlruns')
    const client = createClient({ trackingUri: root, cacheDir: tempDir() })
    await using run = await client.startRun({ runName: 'from node' })
    const tensors = [
      [1, 2],
      [0.5, -3],
      [1e-3, 1e3],
    ]
    const linear = await run.logModel(linearOnnx(), {
      name: 'linear',
      flavor: 'onnx',
      inputExample: { features: { data: Float32Array.of(1, 2), dims: [1, 2], type: 'float32' } },
      registeredModelName: 'linear ü',
      params: { depth: 3 },
      metadata: { team: 'growth é' },
    })
    const { train, test } = loadIris()
    const rows = test.rows.slice(0, 20)
    const iris = await run.logModel(networkToOnnx(newNetwork(), scaleOf(train.features), species), {
      name: 'iris',
      flavor: 'onnx',
      signature: inferSignature(train.rows),
      inputExample: train.rows.slice(0, 3),
      registeredModelName: 'iris',
    })
    await client.setRegisteredModelAlias('iris', 'best', '1')
    const [first, second] = await python<[Loaded, Loaded]>(environment, 'load_models.py', root, [
      { uri: 'models:/linear ü/1', tensor: ['features', tensors] },
      { uri: 'models:/iris@best', table: rows },
    ])
    expect(first.predicted.sum?.flat()).toEqual(
      tensors.map(([a = 0, b = 0]) => Math.fround(Math.fround(a) + 2 * Math.fround(b))),
    )
    expect(first.onnx).toEqual(['sum'])
    expect(first.metadata).toEqual({ team: 'growth é' })
    expect(first.run).toBe(run.runId)
    expect(first.signature).toMatchObject(signatureOf(linear.signature?.toJSON() ?? {}))
    expect(first.example).toEqual({ features: [[1, 2]] })
    expect(second.signature).toMatchObject(signatureOf(iris.signature?.toJSON() ?? {}))
    expect(second.example).toEqual(
      Object.fromEntries(
        Object.keys(train.rows[0] ?? {}).map((key) => [
          key,
          train.rows.slice(0, 3).map((row) => row[key as keyof typeof row]),
        ]),
      ),
    )
    await using loaded = await client.loadModel('models:/iris@best')
    const ours = (await loaded.predict(rows)) as Record<string, unknown>[]
    for (const [name, theirs] of Object.entries(second.predicted))
      for (const [index, value] of theirs.flat().entries()) {
        const mine = ours[index]?.[name]
        if (typeof value === 'number' && typeof mine === 'number') expect(close(mine, value), name).toBe(true)
        else if (!Array.isArray(mine)) expect(mine).toBe(value)
      }
    await client.close()
  })

  it('logged by Python from scikit-learn load and predict the same in Node; signature, example and params are there', async () => {
    const root = join(tempDir(), 'mlruns')
    const made = await python<Record<string, Logged>>(environment, 'log_models.py', root)
    const client = createClient({ trackingUri: root, cacheDir: tempDir() })
    for (const [name, logged] of Object.entries(made)) {
      for (const uri of [logged.uri, `models:/${name}/1`, `models:/${name}/latest`]) {
        await using model = await client.loadModel(uri)
        const dims = [logged.given.length, logged.given[0]?.length ?? 0]
        const X = { data: Float32Array.from(logged.given.flat()), dims, type: 'float32' as const }
        const found = (await model.predict({ X })) as Record<string, { data: ArrayLike<number | bigint> }>
        expect(Object.keys(found)).toEqual(Object.keys(logged.predicted))
        for (const [output, theirs] of Object.entries(logged.predicted)) {
          const mine = Array.from(found[output]?.data ?? [], Number)
          expect(mine).toEqual((theirs.flat() as number[]).map((value) => expect.closeTo(value, 5)))
        }
        const [output = ''] = Object.keys(found)
        expect(Array.from(found[output]?.data ?? [], Number)).toEqual(
          logged.model.map((value) => expect.closeTo(value, 4)),
        )
        expect(signatureOf(model.info.signature?.toJSON() ?? {})).toMatchObject(logged.signature)
        const example = JSON.parse(readFileSync(join(model.info.path, 'input_example.json'), 'utf8'))
        expect(example).toEqual(logged.given.slice(0, 3).map((row) => row.map((value) => expect.closeTo(value, 6))))
      }
    }
    await client.close()
  })
})
