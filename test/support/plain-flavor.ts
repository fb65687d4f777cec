import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Tensor } from '../../src/core/tensor.js'
import { InvalidParameterError, NotFoundError } from '../../src/errors.js'
import type { Flavor } from '../../src/models/flavor.js'

interface Weights {
  readonly weights: Readonly<Record<string, number>>
}

const isWeights = (model: unknown): model is Weights =>
  typeof model === 'object' && model !== null && 'weights' in model && typeof model.weights === 'object'

/** A flavor as a user would plug one in: weights by column, kept as JSON. */
export const plain: Flavor = {
  name: 'plain',
  accepts: isWeights,
  async save(model, dir) {
    if (!isWeights(model)) throw new InvalidParameterError('The plain flavor saves { weights }')
    await writeFile(join(dir, 'weights.json'), JSON.stringify(model.weights))
    return { config: { data: 'weights.json' } }
  },
  async load(dir, config) {
    const text = await readFile(join(dir, String(config.data)), 'utf8').catch((cause) => {
      throw new NotFoundError('The weights are gone', { cause })
    })
    const weights: Record<string, number> = JSON.parse(text)
    const keys = Object.keys(weights)
    const sum = (value: (key: string, index: number) => number) =>
      keys.reduce((total, key, index) => total + (weights[key] ?? 0) * value(key, index), 0)
    return {
      native: weights,
      async predict(input) {
        const rows = input as readonly (Record<string, number> | readonly number[])[]
        if (Array.isArray(input) && !Array.isArray(input[0]))
          return rows.map((row) => ({ sum: sum((key) => (row as Record<string, number>)[key] ?? 0) }))
        const values = Array.isArray(input) ? rows.flat() : Array.from((input as Tensor).data)
        const length = values.length / keys.length
        const data = Float32Array.from({ length }, (_, row) => sum((_key, i) => Number(values[row * keys.length + i])))
        return { data, dims: [length, 1], type: 'float32' }
      },
      async dispose() {},
    }
  },
}
