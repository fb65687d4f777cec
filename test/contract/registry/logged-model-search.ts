import { expect } from 'vitest'
import { InvalidParameterError } from '../../../src/errors.js'
import type { Input } from '../../../src/transport/transport.js'
import { type Call, type ContractOptions, facts, fresh, type Make } from './facts.js'

type Search = Omit<Input<'searchLoggedModels'>, 'experiment_ids'>

/** Three models with a param each; the first two with a metric, the second's measured on a dataset. */
async function three(call: Call) {
  const { experiment_id } = await call('createExperiment', { name: fresh('models') })
  const { run } = await call('createRun', { experiment_id, start_time: Date.now() })
  const { run_id } = run.info
  const ids: string[] = []
  for (const [at, name] of ['a', 'b', 'c'].entries()) {
    const params = [{ key: 'depth', value: String(at) }]
    const { model } = await call('createLoggedModel', { experiment_id, name, params, model_type: 'onnx' })
    ids.push(model.info.model_id)
  }
  const [first, second] = ids
  const metric = { run_id, key: 'auc', timestamp: 1_700_000_000_000, step: 0 }
  if (first) await call('logMetric', { ...metric, value: 0.7, model_id: first })
  const onTest = { dataset_name: 'test', dataset_digest: 'd1' }
  if (second) await call('logMetric', { ...metric, value: 0.8, model_id: second, ...onTest })
  return {
    ids,
    find: async (input: Search): Promise<string[]> => {
      const { models } = await call('searchLoggedModels', { experiment_ids: [experiment_id], ...input })
      return models.map(({ info }) => info.name)
    },
    experiment_id,
  }
}

const byName = { order_by: [{ field_name: 'name', ascending: true }] }

export function loggedModelSearchFacts(make: Make, options: ContractOptions): void {
  facts('searches of logged models', make, options, (fact) => {
    fact('models are found by attribute, param and metric', async (call) => {
      const { find, ids } = await three(call)
      expect(await find(byName)).toEqual(['a', 'b', 'c'])
      expect(await find({ ...byName, filter: "name = 'b'" })).toEqual(['b'])
      expect(await find({ ...byName, filter: `model_id = '${ids[2]}'` })).toEqual(['c'])
      expect(await find({ ...byName, filter: "model_type = 'onnx' AND params.depth != '1'" })).toEqual(['a', 'c'])
      expect(await find({ ...byName, filter: 'metrics.auc >= 0.7' })).toEqual(['a', 'b'])
      expect(await find({ ...byName, filter: 'metrics.auc > 0.7' })).toEqual(['b'])
      expect(await find({ ...byName, filter: 'metrics.absent > 0' })).toEqual([])
      expect(await find({ ...byName, filter: "name IN ('a', 'c')" })).toEqual(['a', 'c'])
    })

    fact('datasets narrow the search to what was measured on them', async (call) => {
      const { find } = await three(call)
      const digest = { dataset_name: 'test', dataset_digest: 'd1' }
      expect(await find({ ...byName, datasets: [digest] })).toEqual(['b'])
      expect(await find({ ...byName, datasets: [digest], filter: 'metrics.auc > 0.1' })).toEqual(['b'])
      expect(await find({ datasets: [{ ...digest, dataset_digest: 'other' }] })).toEqual([])
    })

    fact('a dataset without a digest means all of its name', async (call) => {
      const { find } = await three(call)
      expect(await find({ ...byName, datasets: [{ dataset_name: 'test' }] })).toEqual(['b'])
    })

    fact('the order is by attribute or metric, either way, missing ones last', async (call) => {
      const { find } = await three(call)
      expect(await find({ order_by: [{ field_name: 'name', ascending: false }] })).toEqual(['c', 'b', 'a'])
      expect(await find({ order_by: [{ field_name: 'metrics.auc', ascending: true }] })).toEqual(['a', 'b', 'c'])
      expect(await find({ order_by: [{ field_name: 'metrics.auc', ascending: false }] })).toEqual(['b', 'a', 'c'])
    })

    fact('pages follow one another and end', async (call) => {
      const { experiment_id } = await three(call)
      const input = { experiment_ids: [experiment_id], ...byName, max_results: 2 }
      const first = await call('searchLoggedModels', input)
      expect(first.models.map(({ info }) => info.name)).toEqual(['a', 'b'])
      expect(first.next_page_token).toMatch(/./)
      const second = await call('searchLoggedModels', { ...input, page_token: first.next_page_token ?? '' })
      expect(second.models.map(({ info }) => info.name)).toEqual(['c'])
      expect(second.next_page_token || undefined).toBeUndefined()
    })

    fact('experiments without models, or unknown ones, add nothing', async (call) => {
      const { experiment_id } = await call('createExperiment', { name: fresh('empty') })
      expect((await call('searchLoggedModels', { experiment_ids: [experiment_id] })).models).toEqual([])
    })

    fact('a filter or sort key that is wrong is refused', async (call) => {
      const { find } = await three(call)
      const wrong: Search[] = [
        { filter: "name = 'a' OR name = 'b'" },
        { filter: 'nothing.auc > 1' },
        { order_by: [{ field_name: 'nothing' }] },
        { order_by: [{ field_name: 'params.depth' }] },
      ]
      for (const input of wrong)
        await expect(find(input), JSON.stringify(input)).rejects.toBeInstanceOf(InvalidParameterError)
    })
  })
}
