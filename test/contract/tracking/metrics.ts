import { expect } from 'vitest'
import { type Call, type ContractOptions, facts, type Make } from '../registry/facts.js'

const INVALID = { code: 'INVALID_PARAMETER_VALUE' }

const newRun = async (call: Call) => (await call('createRun', { experiment_id: '0' })).run.info.run_id
const latest = async (call: Call, run_id: string, key: string) =>
  (await call('getRun', { run_id })).run.data.metrics.find((metric) => metric.key === key)
const line = (key: string, value: number, step: number | bigint, timestamp: number | bigint = 1) => ({
  key,
  value,
  step,
  timestamp,
})

export const metricFacts = (make: Make, options: ContractOptions): void =>
  facts('metrics', make, options, (fact) => {
    fact('a history comes back in full, odd numbers included', async (call) => {
      const run_id = await newRun(call)
      const values = [0.1, 1, -1.5, 1e-7, 1e22, 1e-308, 5e-324, Number.MAX_VALUE, 123456789012345680, NaN]
      const metrics = values.map((value, step) => line('train/loss', value, step, 1718000000000 + step))
      await call('logBatch', { run_id, metrics })
      const history = await call('getMetricHistory', { run_id, metric_key: 'train/loss', max_results: 100 })
      expect(history.metrics.map(({ value }) => value)).toEqual(values)
      expect(history.metrics.map(({ step }) => step)).toEqual(values.map((_, step) => step))
      expect(history.metrics[1]?.timestamp).toBe(1718000000001)
    })
    fact('the infinities and minus zero are kept', async (call) => {
      const run_id = await newRun(call)
      await call('logBatch', {
        run_id,
        metrics: [Infinity, -Infinity, -0].map((value, step) => line('m', value, step)),
      })
      const { metrics } = await call('getMetricHistory', { run_id, metric_key: 'm', max_results: 100 })
      expect(metrics.map(({ value }) => value)).toEqual([Infinity, -Infinity, -0])
    })
    fact('steps may be negative and past 2^53', async (call) => {
      const run_id = await newRun(call)
      const steps = [-5, 9007199254740993n, 2n ** 63n - 1n, -(2n ** 63n)]
      await call('logBatch', { run_id, metrics: steps.map((step) => line('m', 1, step)) })
      const { metrics } = await call('getMetricHistory', { run_id, metric_key: 'm', max_results: 100 })
      expect(metrics.map(({ step }) => String(step)).sort()).toEqual(steps.map(String).sort())
    })
    fact('times may lie past 2^53, as those of who logs nanoseconds', async (call) => {
      const run_id = await newRun(call)
      const times = [1796056708067123456n, 1796056708067123457n, 2n ** 63n - 1n, 5n]
      await call('logBatch', { run_id, metrics: times.map((time, index) => line('m', index, 0, time)) })
      const { metrics } = await call('getMetricHistory', { run_id, metric_key: 'm', max_results: 100 })
      expect(metrics.map(({ timestamp }) => String(timestamp)).sort()).toEqual(times.map(String).sort())
      expect(await latest(call, run_id, 'm')).toMatchObject({ value: 2, timestamp: 2n ** 63n - 1n })
    })
    fact('the latest value is that of the greatest step, then time, then value', async (call) => {
      const run_id = await newRun(call)
      const metrics = [line('a', 9, 1), line('a', 1, 5, 7), line('a', 2, 5, 6), line('a', 8, 2, 99)]
      await call('logBatch', { run_id, metrics })
      expect(await latest(call, run_id, 'a')).toMatchObject({ value: 1, step: 5, timestamp: 7 })
      await call('logBatch', { run_id, metrics: [line('a', 3, 5, 7), line('a', 2.5, 5, 7)] })
      expect(await latest(call, run_id, 'a')).toMatchObject({ value: 3 })
    })
    fact('one metric without a step has step 0', async (call) => {
      const run_id = await newRun(call)
      await call('logMetric', { run_id, key: 'm', value: 0.5, timestamp: 1718000000000 })
      expect(await latest(call, run_id, 'm')).toMatchObject({ value: 0.5, step: 0, timestamp: 1718000000000 })
    })
    fact('a history comes in pages', async (call) => {
      const run_id = await newRun(call)
      await call('logBatch', { run_id, metrics: Array.from({ length: 5 }, (_, i) => line('m', i, i, i + 1)) })
      const seen: number[] = []
      let page_token: string | undefined
      do {
        const input = { run_id, metric_key: 'm', max_results: 2, ...(page_token ? { page_token } : {}) }
        const page = await call('getMetricHistory', input)
        seen.push(...page.metrics.map(({ value }) => value))
        page_token = page.next_page_token
      } while (page_token)
      expect(seen).toEqual([0, 1, 2, 3, 4])
    })
    fact('an unknown metric has an empty history, an unknown run none', async (call) => {
      const run_id = await newRun(call)
      expect((await call('getMetricHistory', { run_id, metric_key: 'no', max_results: 5 })).metrics).toEqual([])
      const unknown = { run_id: 'e'.repeat(32), metric_key: 'no', max_results: 5 }
      await expect(call('getMetricHistory', unknown)).rejects.toMatchObject({ code: 'RESOURCE_DOES_NOT_EXIST' })
      const bad = { run_id, metric_key: 'no', max_results: 5, page_token: 'x' }
      await expect(call('getMetricHistory', bad)).rejects.toMatchObject(INVALID)
    })
    fact(
      'a timestamp that is no whole number of milliseconds is refused, and nothing of its batch written',
      async (call) => {
        const run_id = await newRun(call)
        for (const timestamp of [1.5, -1]) {
          const metrics = [line('good', 1, 1), line('bad', 1, 1, timestamp)]
          await expect(call('logBatch', { run_id, metrics })).rejects.toThrow()
        }
        expect((await call('getRun', { run_id })).run.data.metrics).toEqual([])
      },
    )
    fact('histories of several runs come in one answer, each point with its run', async (call) => {
      const runs = [await newRun(call), await newRun(call)]
      for (const [i, run_id] of runs.entries())
        await call('logBatch', { run_id, metrics: [line('m', i, 0), line('m', i, 1)] })
      const { metrics } = await call('getMetricHistoryBulk', { run_id: runs, metric_key: 'm', max_results: 100 })
      expect(metrics.map(({ run_id, value }) => [run_id, value])).toEqual([
        [runs[0], 0],
        [runs[0], 0],
        [runs[1], 1],
        [runs[1], 1],
      ])
      expect(
        (await call('getMetricHistoryBulk', { run_id: runs, metric_key: 'm', max_results: 3 })).metrics,
      ).toHaveLength(3)
    })
    fact('a sample over steps keeps the first and the last', async (call) => {
      const run_id = await newRun(call)
      await call('logBatch', { run_id, metrics: Array.from({ length: 100 }, (_, i) => line('m', i, i, i + 1)) })
      const sample = { run_ids: [run_id], metric_key: 'm', max_results: 10 }
      const steps = (await call('getMetricHistoryBulkInterval', sample)).metrics.map(({ step }) => step)
      expect(steps.length).toBeGreaterThanOrEqual(10)
      expect(steps.length).toBeLessThanOrEqual(12)
      expect([steps[0], steps.at(-1)]).toEqual([0, 99])
      const part = await call('getMetricHistoryBulkInterval', { ...sample, start_step: 40, end_step: 44 })
      expect(part.metrics.map(({ step }) => step)).toEqual([40, 41, 42, 43, 44])
      await expect(call('getMetricHistoryBulkInterval', { ...sample, start_step: 1 })).rejects.toMatchObject(INVALID)
      const backwards = { ...sample, start_step: 5, end_step: 1 }
      await expect(call('getMetricHistoryBulkInterval', backwards)).rejects.toMatchObject(INVALID)
      await expect(call('getMetricHistoryBulkInterval', { ...sample, max_results: 0 })).rejects.toMatchObject(INVALID)
    })
  })
