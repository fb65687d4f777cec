import { expect } from 'vitest'
import { type Call, type ContractOptions, facts, fresh, type Make } from '../registry/facts.js'

const INVALID = { code: 'INVALID_PARAMETER_VALUE' }

/** Four runs, r0 to r3: the later the better; r3 has no learning rate. */
async function four(call: Call): Promise<string> {
  const { experiment_id } = await call('createExperiment', { name: fresh('search') })
  for (const n of [0, 1, 2, 3]) {
    const start = { experiment_id, run_name: `r${n}`, start_time: 1000 + n, user_id: n < 2 ? 'ann' : 'bob' }
    const { run_id } = (await call('createRun', start)).run.info
    await call('logBatch', {
      run_id,
      metrics: [
        { key: 'auc', value: 0.1, timestamp: 1, step: 0 },
        { key: 'auc', value: 0.6 + n / 10, timestamp: 2, step: 1 },
        ...(n === 1 ? [{ key: 'odd', value: NaN, timestamp: 1, step: 0 }] : []),
        ...(n === 2 ? [{ key: 'odd', value: 5, timestamp: 1, step: 0 }] : []),
      ],
      params: n < 3 ? [{ key: 'lr', value: `0.${n}` }] : [],
      tags: [{ key: 'release date', value: `2026-0${n + 1}` }],
    })
    if (n % 2) await call('updateRun', { run_id, status: 'FINISHED', end_time: 2000 + n })
  }
  return experiment_id
}

const names = async (call: Call, id: string, search: { filter?: string; order_by?: string[]; max_results?: number }) =>
  (await call('searchRuns', { experiment_ids: [id], ...search })).runs.map(({ info }) => info.run_name).join(' ')

export const searchFacts = (make: Make, options: ContractOptions): void =>
  facts('search of runs', make, options, (fact) => {
    fact('each kind of comparison finds what it should, newest first', async (call) => {
      const id = await four(call)
      for (const [filter, expected] of [
        ['', 'r3 r2 r1 r0'],
        ['metrics.auc > 0.75', 'r3 r2'],
        ['metrics.auc <= 0.6', 'r0'],
        ["params.lr = '0.1'", 'r1'],
        ["params.lr != '0.1'", 'r2 r0'],
        ['params.lr IS NULL', 'r3'],
        ["params.lr LIKE '0.%' AND metrics.auc >= 0.7", 'r2 r1'],
        ["tags.`release date` ILIKE '2026-0%' and attributes.status = 'FINISHED'", 'r3 r1'],
        ["run_name = 'r2'", 'r2'],
        ["user_id = 'ann'", 'r1 r0'],
        ['start_time > 1001', 'r3 r2'],
        ['end_time < 2002', 'r1'],
        ["status != 'FINISHED'", 'r2 r0'],
        ["metrics.nothing > 0 AND params.lr = '0.1'", ''],
      ] as const)
        expect(await names(call, id, { filter }), filter).toBe(expected)
    })
    fact('orders sort by metrics, parameters, tags and attributes; what is missing stays last', async (call) => {
      const id = await four(call)
      for (const [order, expected] of [
        ['metrics.auc', 'r0 r1 r2 r3'],
        ['metrics.auc DESC', 'r3 r2 r1 r0'],
        ['params.lr ASC', 'r0 r1 r2 r3'],
        ['params.lr DESC', 'r2 r1 r0 r3'],
        ['metrics.odd DESC', 'r2 r1 r3 r0'],
        ['metrics.odd ASC', 'r2 r1 r3 r0'],
        ['tags.`release date` desc', 'r3 r2 r1 r0'],
        ['attributes.start_time ASC', 'r0 r1 r2 r3'],
        ['run_name DESC', 'r3 r2 r1 r0'],
      ] as const)
        expect(await names(call, id, { order_by: [order] }), order).toBe(expected)
      expect(await names(call, id, { order_by: ['status ASC', 'metrics.auc ASC'] })).toBe('r1 r3 r0 r2')
    })
    fact('pages hand out every run once', async (call) => {
      const id = await four(call)
      const search = { experiment_ids: [id], order_by: ['metrics.auc DESC'], max_results: 3 }
      const first = await call('searchRuns', search)
      const second = await call('searchRuns', { ...search, page_token: first.next_page_token ?? '' })
      const all = [...first.runs, ...second.runs].map(({ info }) => info.run_name)
      expect(all).toEqual(['r3', 'r2', 'r1', 'r0'])
      expect(second.next_page_token ?? '').toBe('')
    })
    fact('what is found is whole', async (call) => {
      const id = await four(call)
      const [run] = (await call('searchRuns', { experiment_ids: [id], filter: "run_name = 'r1'" })).runs
      expect(run).toEqual((await call('getRun', { run_id: run?.info.run_id ?? '' })).run)
    })
    fact('deleted runs are found by the view that asks for them', async (call) => {
      const id = await four(call)
      const [run] = (await call('searchRuns', { experiment_ids: [id], filter: "run_name = 'r1'" })).runs
      await call('deleteRun', { run_id: run?.info.run_id ?? '' })
      const count = async (run_view_type: 'ACTIVE_ONLY' | 'DELETED_ONLY' | 'ALL') =>
        (await call('searchRuns', { experiment_ids: [id], run_view_type })).runs.length
      expect([await count('ACTIVE_ONLY'), await count('DELETED_ONLY'), await count('ALL')]).toEqual([3, 1, 4])
    })
    fact('several experiments are searched at once, unknown ones are empty', async (call) => {
      const ids = [await four(call), await four(call)]
      expect((await call('searchRuns', { experiment_ids: [...ids, '999999999'] })).runs).toHaveLength(8)
      expect((await call('searchRuns', { experiment_ids: ['999999999'] })).runs).toEqual([])
    })
    fact('a bad filter, order or token is refused', async (call) => {
      const experiment_ids = ['0']
      for (const bad of [
        { filter: "metrics.auc > 'x'" },
        { filter: 'params.a = 1 OR 1 = 1' },
        { filter: 'lifecycle_stage = 1' },
        { order_by: ['metrics.auc UP'] },
        { page_token: 'nonsense' },
      ])
        await expect(call('searchRuns', { experiment_ids, ...bad })).rejects.toMatchObject(INVALID)
    })
    fact('a page of more runs than there may be is refused', async (call) => {
      await expect(call('searchRuns', { experiment_ids: ['0'], max_results: 50_001 })).rejects.toMatchObject(INVALID)
    })
  })
