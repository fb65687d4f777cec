import { expect } from 'vitest'
import { InvalidParameterError } from '../../../src/errors.js'
import { type Call, type ContractOptions, facts, fresh, type Make } from './facts.js'

async function model(call: Call, versions: number): Promise<string> {
  const name = fresh('churn')
  await call('createRegisteredModel', { name })
  for (let i = 0; i < versions; i++) await call('createModelVersion', { name, source: 's3://lake/models/churn' })
  return name
}

const move = (call: Call, name: string, version: string, stage: string, archive_existing_versions = false) =>
  call('transitionModelVersionStage', { name, version, stage, archive_existing_versions })

async function stages(call: Call, name: string): Promise<Record<string, string>> {
  const { model_versions: found } = await call('searchModelVersions', { filter: `name = '${name}'` })
  return Object.fromEntries(found.map(({ version, current_stage }) => [version, current_stage]))
}

export function stageFacts(make: Make, options: ContractOptions): void {
  facts('stages', make, options, (fact) => {
    fact('a version moves to a stage, whatever the case of the word', async (call) => {
      const name = await model(call, 2)
      const { model_version: moved } = await move(call, name, '1', 'pRoDuCtIoN')
      expect(moved).toMatchObject({ name, version: '1', current_stage: 'Production' })
      expect(await stages(call, name)).toEqual({ 1: 'Production', 2: 'None' })
    })

    fact('a stage may have several versions, unless the others are archived', async (call) => {
      const name = await model(call, 3)
      await move(call, name, '1', 'Staging')
      await move(call, name, '2', 'Staging')
      expect(await stages(call, name)).toEqual({ 1: 'Staging', 2: 'Staging', 3: 'None' })
      await move(call, name, '3', 'staging', true)
      expect(await stages(call, name)).toEqual({ 1: 'Archived', 2: 'Archived', 3: 'Staging' })
    })

    fact('archiving the others leaves the one that already holds the stage', async (call) => {
      const name = await model(call, 1)
      await move(call, name, '1', 'Production')
      await move(call, name, '1', 'Production', true)
      expect(await stages(call, name)).toEqual({ 1: 'Production' })
    })

    fact('an unknown stage is refused', async (call) => {
      const name = await model(call, 1)
      for (const stage of ['Prod', 'Deleted_Internal', '*'])
        await expect(move(call, name, '1', stage), stage).rejects.toBeInstanceOf(InvalidParameterError)
      await expect(call('getLatestVersions', { name, stages: ['Prod'] })).rejects.toBeInstanceOf(InvalidParameterError)
      expect(await stages(call, name)).toEqual({ 1: 'None' })
    })

    fact('archiving others is refused for None and Archived, and nothing moves', async (call) => {
      const name = await model(call, 2)
      for (const stage of ['None', 'Archived']) await expect(move(call, name, '1', stage, true)).rejects.toThrow()
      expect(await stages(call, name)).toEqual({ 1: 'None', 2: 'None' })
    })

    fact('that refusal is an InvalidParameterError', async (call) => {
      const name = await model(call, 1)
      await expect(move(call, name, '1', 'Archived', true)).rejects.toBeInstanceOf(InvalidParameterError)
    })

    fact('the latest versions are the newest of each stage, or of the stages asked for', async (call) => {
      const name = await model(call, 11)
      await move(call, name, '2', 'Production')
      await move(call, name, '10', 'Production')
      await move(call, name, '9', 'Staging')
      const numbers = async (stages?: string[]): Promise<string[]> => {
        const { model_versions: found } = await call('getLatestVersions', { name, ...(stages ? { stages } : {}) })
        return found.map(({ version }) => version).sort((a, b) => Number(a) - Number(b))
      }
      expect(await numbers()).toEqual(['9', '10', '11'])
      expect(await numbers(['production'])).toEqual(['10'])
      expect(await numbers(['Archived'])).toEqual([])
      const { registered_model: got } = await call('getRegisteredModel', { name })
      expect(got.latest_versions.map(({ version }) => Number(version)).sort((a, b) => a - b)).toEqual([9, 10, 11])
    })
  })
}
