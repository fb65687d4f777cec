import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { inferSignature } from '../../src/core/infer-signature.js'
import { readMlModel, writeMlModel } from '../../src/core/mlmodel.js'
import type { Tensor } from '../../src/core/tensor.js'
import { CairnError } from '../../src/errors.js'
import type { Flavor, LoadOptions, SavedFlavor } from '../../src/models/flavor.js'
import { tempDir } from '../support/temp-dir.js'

/** What a flavor brings to the suite: itself, and a model that answers `sum` = a + 2 b for the columns `a` and `b`. */
export interface FlavorSubject {
  readonly flavor: Flavor
  readonly model: () => unknown | Promise<unknown>
  readonly options?: LoadOptions
}

const rows = [
  { a: 1, b: 2 },
  { a: 0.5, b: -4 },
  { a: 3, b: 0.25 },
]
const sums = [5, -7.5, 3.5]
const signature = inferSignature(rows)

/** Every flavor passes this, built in or plugged in. */
export function flavorContract({ flavor, model, options = {} }: FlavorSubject): void {
  const load = (dir: string, { config }: SavedFlavor, more: LoadOptions = {}) =>
    flavor.load(dir, config, { signature, ...options, ...more })
  async function saved() {
    const dir = tempDir()
    return { dir, entry: await flavor.save(await model(), dir, {}) }
  }

  describe(`the flavor ${flavor.name}`, () => {
    it('knows its own models and no others', async () => {
      expect(flavor.accepts(await model())).toBe(true)
      for (const other of [undefined, null, 5, 'text', {}, [], () => 1, new Date()])
        expect(flavor.accepts(other)).toBe(false)
    })

    it('refuses to save what is not its model, with a typed error', async () => {
      await expect(flavor.save({ no: 'model' }, tempDir(), {})).rejects.toThrow(CairnError)
    })

    it('writes files, and an entry that survives MLmodel', async () => {
      const { dir, entry } = await saved()
      expect(readdirSync(dir).length).toBeGreaterThan(0)
      const { flavors } = readMlModel(writeMlModel({ flavors: { [flavor.name]: entry.config } }))
      expect(flavors[flavor.name]).toEqual(entry.config)
    })

    it('answers rows with rows, whatever the order of their keys', async () => {
      const { dir, entry } = await saved()
      const loaded = await load(dir, entry)
      expect(await loaded.predict(rows)).toEqual(sums.map((sum) => ({ sum })))
      expect(await loaded.predict([{ b: 2, a: 1 }])).toEqual([{ sum: 5 }])
      expect(await loaded.predict([])).toEqual([])
      await loaded.dispose()
    })

    it('answers one tensor with one tensor', async () => {
      const { dir, entry } = await saved()
      const loaded = await load(dir, entry)
      const nested = (await loaded.predict(rows.map(({ a, b }) => [a, b]))) as Tensor
      expect(nested.dims).toEqual([3, 1])
      expect(Array.from(nested.data as Float32Array)).toEqual(sums)
      const flat = await loaded.predict({ data: Float32Array.of(1, 2), dims: [1, 2], type: 'float32' })
      expect(Array.from((flat as Tensor).data as Float32Array)).toEqual([5])
      await loaded.dispose()
    })

    it('answers calls side by side, each with its own answer', async () => {
      const { dir, entry } = await saved()
      const loaded = await load(dir, entry)
      const answers = await Promise.all(Array.from({ length: 20 }, (_, a) => loaded.predict([{ a, b: 1 }])))
      expect(answers).toEqual(Array.from({ length: 20 }, (_, a) => [{ sum: a + 2 }]))
      await loaded.dispose()
    })

    it('loads from wherever the folder is carried, and twice side by side', async () => {
      const { dir, entry } = await saved()
      const elsewhere = join(tempDir(), 'carried')
      cpSync(dir, elsewhere, { recursive: true })
      rmSync(dir, { recursive: true })
      const both = await Promise.all([load(elsewhere, entry), load(elsewhere, entry)])
      await both[0].dispose()
      expect(await both[1].predict([{ a: 1, b: 1 }])).toEqual([{ sum: 3 }])
      await both[1].dispose()
    })

    it('fails with a typed error when the files are gone', async () => {
      const { entry } = await saved()
      await expect(load(tempDir(), entry)).rejects.toThrow(CairnError)
    })
  })
}
