import { expect } from 'vitest'
import { AlreadyExistsError, InvalidParameterError, NotFoundError } from '../../../src/errors.js'
import { byKey, type ContractOptions, facts, fresh, type Make } from './facts.js'

const LAKE = 's3://lake/models/churn'

export function registeredModelFacts(make: Make, options: ContractOptions): void {
  facts('registered models', make, options, (fact) => {
    fact('a new one answers what it was given', async (call) => {
      const name = fresh('churn')
      const tags = [{ key: 'team', value: 'growth' }]
      const { registered_model: model } = await call('createRegisteredModel', { name, description: 'Leavers', tags })
      expect(model).toMatchObject({ name, description: 'Leavers', tags })
      expect(model.creation_timestamp).toBe(model.last_updated_timestamp)
      const got = await call('getRegisteredModel', { name })
      expect(got.registered_model).toMatchObject({
        name,
        description: 'Leavers',
        tags,
        latest_versions: [],
        aliases: [],
      })
    })

    fact('a taken name is refused', async (call) => {
      const name = fresh('churn')
      await call('createRegisteredModel', { name })
      await expect(call('createRegisteredModel', { name })).rejects.toBeInstanceOf(AlreadyExistsError)
    })

    fact('a blank name is refused', async (call) => {
      await expect(call('createRegisteredModel', { name: '   ' })).rejects.toBeInstanceOf(InvalidParameterError)
    })

    fact('a name with ":" is refused', async (call) => {
      await expect(call('createRegisteredModel', { name: 'a:b' })).rejects.toBeInstanceOf(InvalidParameterError)
    })

    fact('a name with "/" is refused', async (call) => {
      for (const name of ['a/b', '../x', '/etc'])
        await expect(call('createRegisteredModel', { name }), name).rejects.toBeInstanceOf(InvalidParameterError)
    })

    fact('names keep blanks, quotes, capitals and any script', async (call) => {
      for (const stem of ['with blank', `q'"q`, 'Größe', '日本', 'yes', '1e3', '2001-01-01', 'a.b', '-x', '#1', '~']) {
        const name = fresh(stem)
        await call('createRegisteredModel', { name, tags: [{ key: 'k', value: '日本\nyes' }] })
        const { registered_model: model } = await call('getRegisteredModel', { name })
        expect(model.name).toBe(name)
        expect(byKey(model.tags)).toEqual({ k: '日本\nyes' })
      }
    })

    fact('one that is not there is not found by any verb', async (call) => {
      const name = fresh('nobody')
      const missing = [
        call('getRegisteredModel', { name }),
        call('updateRegisteredModel', { name, description: 'x' }),
        call('renameRegisteredModel', { name, new_name: fresh('x') }),
        call('deleteRegisteredModel', { name }),
        call('getLatestVersions', { name }),
        call('setRegisteredModelTag', { name, key: 'k', value: 'v' }),
        call('deleteRegisteredModelTag', { name, key: 'k' }),
      ]
      for (const result of await Promise.allSettled(missing))
        expect(result).toMatchObject({ status: 'rejected', reason: expect.any(NotFoundError) })
    })

    fact('an update changes the description and keeps the rest', async (call) => {
      const name = fresh('churn')
      await call('createRegisteredModel', { name, description: 'one', tags: [{ key: 'k', value: 'v' }] })
      const { registered_model: model } = await call('updateRegisteredModel', { name, description: 'two: "#x"\nz' })
      expect(model.description).toBe('two: "#x"\nz')
      const got = await call('getRegisteredModel', { name })
      expect(got.registered_model).toMatchObject({ description: 'two: "#x"\nz', tags: [{ key: 'k', value: 'v' }] })
    })

    fact('tags are set, overwritten, and deleted; deleting an absent one is success', async (call) => {
      const name = fresh('churn')
      await call('createRegisteredModel', { name })
      for (const value of ['1', '2']) await call('setRegisteredModelTag', { name, key: 'a/b c', value })
      await call('setRegisteredModelTag', { name, key: 'long', value: 'x'.repeat(5000) })
      const { registered_model: model } = await call('getRegisteredModel', { name })
      expect(byKey(model.tags)).toEqual({ 'a/b c': '2', long: 'x'.repeat(5000) })
      await call('deleteRegisteredModelTag', { name, key: 'a/b c' })
      await call('deleteRegisteredModelTag', { name, key: 'never' })
      expect(byKey((await call('getRegisteredModel', { name })).registered_model.tags)).toEqual({
        long: 'x'.repeat(5000),
      })
    })

    fact('a tag key that is no plain path, or over-long, is refused', async (call) => {
      const name = fresh('churn')
      await call('createRegisteredModel', { name })
      for (const key of ['../x', '/abs', 'a//b', 'a\\b', 'k'.repeat(251)])
        await expect(call('setRegisteredModelTag', { name, key, value: 'v' }), key).rejects.toBeInstanceOf(
          InvalidParameterError,
        )
    })

    fact('a rename moves versions with it and frees the old name', async (call) => {
      const name = fresh('old')
      const renamed = fresh('new')
      await call('createRegisteredModel', { name, description: 'kept' })
      await call('createModelVersion', { name, source: LAKE, description: 'first' })
      const { registered_model: model } = await call('renameRegisteredModel', { name, new_name: renamed })
      expect(model.name).toBe(renamed)
      await expect(call('getRegisteredModel', { name })).rejects.toBeInstanceOf(NotFoundError)
      const got = await call('getModelVersion', { name: renamed, version: '1' })
      expect(got.model_version).toMatchObject({ name: renamed, version: '1', description: 'first', source: LAKE })
      await call('createRegisteredModel', { name })
    })

    fact('a rename keeps tags and aliases, of the model and of its versions', async (call) => {
      const name = fresh('old')
      const renamed = fresh('new')
      await call('createRegisteredModel', { name, tags: [{ key: 'team', value: 'growth' }] })
      await call('createModelVersion', { name, source: LAKE, tags: [{ key: 'auc', value: '0.9' }] })
      await call('setRegisteredModelAlias', { name, alias: 'champion', version: '1' })
      await call('renameRegisteredModel', { name, new_name: renamed })
      const { registered_model: model } = await call('getRegisteredModel', { name: renamed })
      expect(model).toMatchObject({
        tags: [{ key: 'team', value: 'growth' }],
        aliases: [{ alias: 'champion', version: '1' }],
      })
      const { model_version: version } = await call('getModelVersionByAlias', { name: renamed, alias: 'champion' })
      expect(version).toMatchObject({ name: renamed, aliases: ['champion'], tags: [{ key: 'auc', value: '0.9' }] })
    })

    fact('a rename to a taken or impossible name is refused and changes nothing', async (call) => {
      const [name, taken] = [fresh('old'), fresh('taken')]
      await call('createRegisteredModel', { name })
      await call('createRegisteredModel', { name: taken })
      await expect(call('renameRegisteredModel', { name, new_name: taken })).rejects.toBeInstanceOf(AlreadyExistsError)
      await expect(call('renameRegisteredModel', { name, new_name: 'a/b' })).rejects.toBeInstanceOf(
        InvalidParameterError,
      )
      expect((await call('getRegisteredModel', { name })).registered_model.name).toBe(name)
    })

    fact('a deleted one is gone with its versions, and its name and numbers start anew', async (call) => {
      const name = fresh('churn')
      await call('createRegisteredModel', { name })
      await call('createModelVersion', { name, source: LAKE })
      await call('deleteRegisteredModel', { name })
      await expect(call('getRegisteredModel', { name })).rejects.toBeInstanceOf(NotFoundError)
      await expect(call('getModelVersion', { name, version: '1' })).rejects.toBeInstanceOf(NotFoundError)
      await call('createRegisteredModel', { name })
      const { model_version: version } = await call('createModelVersion', { name, source: LAKE })
      expect(version.version).toBe('1')
    })
  })
}
