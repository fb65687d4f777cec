import { expect } from 'vitest'
import { InvalidParameterError, NotFoundError } from '../../../src/errors.js'
import { byKey, type Call, type ContractOptions, facts, fresh, type Make } from './facts.js'

const LAKE = 's3://lake/models/churn'

async function model(call: Call, versions = 0): Promise<string> {
  const name = fresh('churn')
  await call('createRegisteredModel', { name })
  for (let i = 0; i < versions; i++) await call('createModelVersion', { name, source: `${LAKE}/${i + 1}` })
  return name
}

export function versionFacts(make: Make, options: ContractOptions): void {
  facts('model versions', make, options, (fact) => {
    fact('a new one answers what it was given, ready, in stage None', async (call) => {
      const name = await model(call)
      const given = {
        name,
        source: LAKE,
        run_link: 'https://ci.example.org/42',
        description: 'first: "one"',
        tags: [{ key: 'auc', value: '0.9' }],
      }
      const { model_version: made } = await call('createModelVersion', given)
      expect(made).toMatchObject({ ...given, version: '1', current_stage: 'None', status: 'READY', aliases: [] })
      const { model_version: got } = await call('getModelVersion', { name, version: '1' })
      expect(got).toEqual(made)
      expect(await call('getModelVersionDownloadUri', { name, version: '1' })).toMatchObject({ artifact_uri: LAKE })
    })

    fact('numbers count up from 1 and a deleted one is never given again', async (call) => {
      const name = await model(call, 3)
      await call('deleteModelVersion', { name, version: '3' })
      const { model_version: next } = await call('createModelVersion', { name, source: LAKE })
      expect(next.version).toBe('4')
    })

    fact('versions created at once get numbers without gap or double', async (call) => {
      const name = await model(call)
      const made = await Promise.all(
        Array.from({ length: 5 }, () => call('createModelVersion', { name, source: LAKE })),
      )
      expect(made.map((one) => Number(one.model_version.version)).sort()).toEqual([1, 2, 3, 4, 5])
    })

    fact('one of a model that is not there is not found', async (call) => {
      const name = fresh('nobody')
      await expect(call('getModelVersion', { name, version: '1' })).rejects.toBeInstanceOf(NotFoundError)
      await expect(call('createModelVersion', { name, source: LAKE })).rejects.toThrow()
    })

    fact('making one of a model that is not there is a NotFoundError', async (call) => {
      const name = fresh('nobody')
      await expect(call('createModelVersion', { name, source: LAKE })).rejects.toBeInstanceOf(NotFoundError)
    })

    fact('one that is not there is not found by any verb', async (call) => {
      const name = await model(call, 1)
      const at = { name, version: '2' }
      const missing = [
        call('getModelVersion', at),
        call('updateModelVersion', { ...at, description: 'x' }),
        call('deleteModelVersion', at),
        call('transitionModelVersionStage', { ...at, stage: 'Staging', archive_existing_versions: false }),
        call('getModelVersionDownloadUri', at),
        call('setModelVersionTag', { ...at, key: 'k', value: 'v' }),
        call('deleteModelVersionTag', { ...at, key: 'k' }),
        call('setRegisteredModelAlias', { ...at, alias: 'champion' }),
      ]
      for (const result of await Promise.allSettled(missing))
        expect(result).toMatchObject({ status: 'rejected', reason: expect.any(NotFoundError) })
    })

    fact('a version that is no whole number is refused', async (call) => {
      const name = await model(call, 1)
      for (const version of ['one', '../1', '1.5'])
        await expect(call('getModelVersion', { name, version }), version).rejects.toBeInstanceOf(InvalidParameterError)
    })

    fact('an update changes the description and keeps the rest', async (call) => {
      const name = await model(call, 1)
      await call('setModelVersionTag', { name, version: '1', key: 'k', value: 'v' })
      await call('updateModelVersion', { name, version: '1', description: 'better' })
      const { model_version: got } = await call('getModelVersion', { name, version: '1' })
      expect(got).toMatchObject({ description: 'better', source: `${LAKE}/1`, tags: [{ key: 'k', value: 'v' }] })
    })

    fact('tags are set, overwritten, and deleted; deleting an absent one is success', async (call) => {
      const name = await model(call, 1)
      const at = { name, version: '1' }
      for (const value of ['1', '2']) await call('setModelVersionTag', { ...at, key: 'a/b', value })
      await call('setModelVersionTag', { ...at, key: 'note', value: 'two\nlines' })
      expect(byKey((await call('getModelVersion', at)).model_version.tags)).toEqual({ 'a/b': '2', note: 'two\nlines' })
      await call('deleteModelVersionTag', { ...at, key: 'a/b' })
      await call('deleteModelVersionTag', { ...at, key: 'never' })
      expect(byKey((await call('getModelVersion', at)).model_version.tags)).toEqual({ note: 'two\nlines' })
    })

    fact('a tag key that is no plain path is refused', async (call) => {
      const name = await model(call, 1)
      for (const key of ['../x', '/abs', 'a//b'])
        await expect(call('setModelVersionTag', { name, version: '1', key, value: 'v' }), key).rejects.toBeInstanceOf(
          InvalidParameterError,
        )
    })

    fact('a deleted one is gone from every answer, and so are its aliases', async (call) => {
      const name = await model(call, 2)
      await call('setRegisteredModelAlias', { name, alias: 'old', version: '1' })
      await call('setRegisteredModelAlias', { name, alias: 'new', version: '2' })
      await call('deleteModelVersion', { name, version: '2' })
      await expect(call('getModelVersion', { name, version: '2' })).rejects.toBeInstanceOf(NotFoundError)
      await expect(call('deleteModelVersion', { name, version: '2' })).rejects.toBeInstanceOf(NotFoundError)
      await expect(call('getModelVersionByAlias', { name, alias: 'new' })).rejects.toBeInstanceOf(InvalidParameterError)
      const { registered_model: left } = await call('getRegisteredModel', { name })
      expect(left.latest_versions.map(({ version }) => version)).toEqual(['1'])
      expect(left.aliases).toEqual([{ alias: 'old', version: '1' }])
      const found = await call('searchModelVersions', { filter: `name = '${name}'` })
      expect(found.model_versions.map(({ version }) => version)).toEqual(['1'])
    })
  })
}
