import { expect } from 'vitest'
import { byKey, type ContractOptions, facts, fresh, type Make } from '../registry/facts.js'

const MISSING = { code: 'RESOURCE_DOES_NOT_EXIST' }
const INVALID = { code: 'INVALID_PARAMETER_VALUE' }
const TAKEN = { code: 'RESOURCE_ALREADY_EXISTS' }

export const experimentFacts = (make: Make, options: ContractOptions): void =>
  facts('experiments', make, options, (fact) => {
    fact('an experiment comes back by id and by name as it was made', async (call) => {
      const name = fresh('yes: "no" / ünï')
      const tags = [{ key: 'team', value: 'growth' }]
      const { experiment_id } = await call('createExperiment', { name, tags })
      const { experiment } = await call('getExperiment', { experiment_id })
      expect(experiment).toMatchObject({ experiment_id, name, lifecycle_stage: 'active' })
      expect(byKey(experiment.tags)).toEqual({ team: 'growth' })
      expect(experiment.artifact_location).toContain(experiment_id)
      expect(experiment.creation_time).toBeGreaterThan(0)
      expect((await call('getExperimentByName', { experiment_name: name })).experiment).toEqual(experiment)
    })
    fact('the experiment 0 named Default is there from the start', async (call) => {
      expect((await call('getExperiment', { experiment_id: '0' })).experiment).toMatchObject({ name: 'Default' })
    })
    fact('an artifact location is kept', async (call) => {
      const artifact_location = 's3://bucket/some path'
      const { experiment_id } = await call('createExperiment', { name: fresh('located'), artifact_location })
      expect((await call('getExperiment', { experiment_id })).experiment.artifact_location).toBe(artifact_location)
    })
    fact('an artifact location with a fragment is refused', async (call) => {
      const location = { name: fresh('bad'), artifact_location: 'http:///#/../../etc/' }
      await expect(call('createExperiment', location)).rejects.toMatchObject(INVALID)
    })
    fact('a name is taken by an active and by a deleted experiment', async (call) => {
      const name = fresh('once')
      const { experiment_id } = await call('createExperiment', { name })
      await expect(call('createExperiment', { name })).rejects.toMatchObject(TAKEN)
      await call('deleteExperiment', { experiment_id })
      await expect(call('createExperiment', { name })).rejects.toMatchObject(TAKEN)
    })
    fact('a blank name is refused', async (call) => {
      await expect(call('createExperiment', { name: ' ' })).rejects.toMatchObject(INVALID)
    })
    fact('unknown experiments are not found', async (call) => {
      await expect(call('getExperiment', { experiment_id: '123456789' })).rejects.toMatchObject(MISSING)
      await expect(call('getExperimentByName', { experiment_name: fresh('none') })).rejects.toMatchObject(MISSING)
      await expect(call('deleteExperiment', { experiment_id: '123456789' })).rejects.toMatchObject(MISSING)
      await expect(call('restoreExperiment', { experiment_id: '123456789' })).rejects.toMatchObject(MISSING)
    })
    fact('an id that is a path is refused', async (call) => {
      for (const experiment_id of ['..', '../..', 'a/b', '.trash'])
        await expect(call('getExperiment', { experiment_id })).rejects.toThrow()
    })
    fact('renaming changes the name and frees the old one', async (call) => {
      const before = fresh('before')
      const after = fresh('after')
      const { experiment_id } = await call('createExperiment', { name: before })
      await call('updateExperiment', { experiment_id, new_name: after })
      expect((await call('getExperimentByName', { experiment_name: after })).experiment.experiment_id).toBe(
        experiment_id,
      )
      await call('createExperiment', { name: before })
      await expect(call('updateExperiment', { experiment_id, new_name: before })).rejects.toMatchObject(TAKEN)
    })
    fact('a deleted experiment is listed as such, with its runs deleted, and comes back whole', async (call) => {
      const { experiment_id } = await call('createExperiment', { name: fresh('gone') })
      const { run } = await call('createRun', { experiment_id })
      await call('deleteExperiment', { experiment_id })
      expect((await call('getExperiment', { experiment_id })).experiment.lifecycle_stage).toBe('deleted')
      expect((await call('getRun', { run_id: run.info.run_id })).run.info.lifecycle_stage).toBe('deleted')
      await expect(call('createRun', { experiment_id })).rejects.toThrow()
      await expect(call('setExperimentTag', { experiment_id, key: 'a', value: 'b' })).rejects.toMatchObject(INVALID)
      await call('restoreExperiment', { experiment_id })
      expect((await call('getExperiment', { experiment_id })).experiment.lifecycle_stage).toBe('active')
      expect((await call('getRun', { run_id: run.info.run_id })).run.info.lifecycle_stage).toBe('active')
    })
    fact('the default experiment cannot be deleted', async (call) => {
      await expect(call('deleteExperiment', { experiment_id: '0' })).rejects.toThrow()
    })
    fact('tags are set, replaced and removed', async (call) => {
      const { experiment_id } = await call('createExperiment', { name: fresh('tagged') })
      await call('setExperimentTag', { experiment_id, key: 'a/b', value: '1' })
      await call('setExperimentTag', { experiment_id, key: 'a/b', value: 'two\nlines' })
      await call('setExperimentTag', { experiment_id, key: 'c', value: '' })
      expect(byKey((await call('getExperiment', { experiment_id })).experiment.tags)).toEqual({
        'a/b': 'two\nlines',
        c: '',
      })
      await call('deleteExperimentTag', { experiment_id, key: 'c' })
      await expect(call('deleteExperimentTag', { experiment_id, key: 'c' })).rejects.toMatchObject(MISSING)
      expect(byKey((await call('getExperiment', { experiment_id })).experiment.tags)).toEqual({ 'a/b': 'two\nlines' })
    })
    fact('a search filters, sorts and hands out pages', async (call) => {
      const stem = fresh('page')
      for (const n of ['a', 'b', 'c'])
        await call('createExperiment', { name: `${stem}-${n}`, tags: [{ key: 'half', value: n < 'c' ? '1' : '2' }] })
      const search = { filter: `name LIKE '${stem}-%'`, order_by: ['name DESC'], max_results: 2 }
      const first = await call('searchExperiments', search)
      expect(first.experiments.map(({ name }) => name)).toEqual([`${stem}-c`, `${stem}-b`])
      const { next_page_token: page_token } = first
      const second = await call('searchExperiments', { ...search, page_token })
      expect(second.experiments.map(({ name }) => name)).toEqual([`${stem}-a`])
      expect(second.next_page_token ?? '').toBe('')
      const half = { filter: `name LIKE '${stem}-%' AND tags.half = '1'`, max_results: 10 }
      expect((await call('searchExperiments', half)).experiments).toHaveLength(2)
    })
    fact('a search looks at active ones unless told otherwise', async (call) => {
      const name = fresh('view')
      const { experiment_id } = await call('createExperiment', { name })
      await call('deleteExperiment', { experiment_id })
      const search = { filter: `name = '${name}'`, max_results: 10 }
      expect((await call('searchExperiments', search)).experiments).toHaveLength(0)
      expect((await call('searchExperiments', { ...search, view_type: 'DELETED_ONLY' })).experiments).toHaveLength(1)
      expect((await call('searchExperiments', { ...search, view_type: 'ALL' })).experiments).toHaveLength(1)
    })
    fact('a bad filter, order, size or token of a search is refused', async (call) => {
      const bad = [{ filter: 'name ~ 1' }, { order_by: ['nothing DESC'] }, { page_token: 'x' }]
      for (const input of bad)
        await expect(call('searchExperiments', { max_results: 5, ...input })).rejects.toMatchObject(INVALID)
      await expect(call('searchExperiments', { max_results: 0 })).rejects.toMatchObject(INVALID)
    })
  })
