import { expect, it } from 'vitest'
import { InvalidParameterError } from '../../src/errors.js'
import { lifetime } from '../../src/models/lifetime.js'

it('dispose waits for calls under way, is done once, and refuses later calls', async () => {
  const said: string[] = []
  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const model = lifetime({
    native: undefined,
    async predict() {
      await gate
      said.push('answered')
      return []
    },
    async dispose() {
      said.push('disposed')
    },
  })
  const call = model.predict([])
  const both = [model.dispose(), model.dispose()]
  await expect(model.predict([])).rejects.toThrow(InvalidParameterError)
  release()
  await Promise.all([call, ...both])
  expect(said).toEqual(['answered', 'disposed'])
})

it('a failing call does not keep a model alive', async () => {
  const model = lifetime({ native: undefined, predict: () => Promise.reject(new Error('no')), dispose: async () => {} })
  await expect(model.predict([])).rejects.toThrow('no')
  await model.dispose()
})
