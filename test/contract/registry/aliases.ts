import { expect } from 'vitest'
import { InvalidParameterError, NotFoundError } from '../../../src/errors.js'
import { type Call, type ContractOptions, facts, fresh, type Make } from './facts.js'

async function model(call: Call, versions: number): Promise<string> {
  const name = fresh('churn')
  await call('createRegisteredModel', { name })
  for (let i = 0; i < versions; i++) await call('createModelVersion', { name, source: 's3://lake/models/churn' })
  return name
}

export function aliasFacts(make: Make, options: ContractOptions): void {
  facts('aliases', make, options, (fact) => {
    fact('an alias leads to its version, which knows it, and moves', async (call) => {
      const name = await model(call, 2)
      await call('setRegisteredModelAlias', { name, alias: 'Champion', version: '1' })
      const { model_version: first } = await call('getModelVersionByAlias', { name, alias: 'Champion' })
      expect(first).toMatchObject({ version: '1', aliases: ['Champion'] })
      await call('setRegisteredModelAlias', { name, alias: 'Champion', version: '2' })
      expect((await call('getModelVersionByAlias', { name, alias: 'Champion' })).model_version.version).toBe('2')
      expect((await call('getModelVersion', { name, version: '1' })).model_version.aliases).toEqual([])
      const { registered_model: got } = await call('getRegisteredModel', { name })
      expect(got.aliases).toEqual([{ alias: 'Champion', version: '2' }])
    })

    fact('an alias that is not there is an InvalidParameterError, as MLflow has it', async (call) => {
      const name = await model(call, 1)
      await expect(call('getModelVersionByAlias', { name, alias: 'nobody' })).rejects.toBeInstanceOf(
        InvalidParameterError,
      )
    })

    fact('a deleted alias is gone; deleting an absent one is success', async (call) => {
      const name = await model(call, 1)
      await call('setRegisteredModelAlias', { name, alias: 'champion', version: '1' })
      await call('deleteRegisteredModelAlias', { name, alias: 'champion' })
      await call('deleteRegisteredModelAlias', { name, alias: 'champion' })
      await expect(call('getModelVersionByAlias', { name, alias: 'champion' })).rejects.toBeInstanceOf(
        InvalidParameterError,
      )
    })

    fact('"latest", "v1" and anything but letters, digits, "_" and "-" is refused', async (call) => {
      const name = await model(call, 1)
      for (const alias of ['latest', 'Latest', 'v1', 'V12', 'a/b', '../x', 'a b', 'a.b', 'x'.repeat(256)])
        await expect(call('setRegisteredModelAlias', { name, alias, version: '1' }), alias).rejects.toBeInstanceOf(
          InvalidParameterError,
        )
      expect((await call('getRegisteredModel', { name })).registered_model.aliases).toEqual([])
    })

    fact('a model that is not there is not found', async (call) => {
      const at = { name: fresh('nobody'), alias: 'champion' }
      await expect(call('setRegisteredModelAlias', { ...at, version: '1' })).rejects.toBeInstanceOf(NotFoundError)
      await expect(call('deleteRegisteredModelAlias', at)).rejects.toBeInstanceOf(NotFoundError)
      await expect(call('getModelVersionByAlias', at)).rejects.toBeInstanceOf(NotFoundError)
    })

    fact('the alias "latest" answers the newest version', async (call) => {
      const name = await model(call, 3)
      await call('transitionModelVersionStage', {
        name,
        version: '1',
        stage: 'Production',
        archive_existing_versions: false,
      })
      expect((await call('getModelVersionByAlias', { name, alias: 'latest' })).model_version.version).toBe('3')
    })
  })
}
