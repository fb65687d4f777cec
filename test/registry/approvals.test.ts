import { describe, expect, it } from 'vitest'
import { ApprovalRequiredError, InvalidParameterError } from '../../src/errors.js'
import { registry } from '../../src/registry/registry.js'
import type { Transport } from '../../src/transport/transport.js'
import { churn, LAKE, stand } from './stand.js'

describe('approvals', () => {
  it('count by person: the same one twice is one', async () => {
    const verbs = stand()
    await churn(verbs, 1)
    const need = { requireApprovals: 2 }
    for (const by of ['ada', 'ada']) await verbs.approveModelVersion('churn', 1, { stage: 'production', by })
    await expect(verbs.transitionStage('churn', 1, 'Production', need)).rejects.toThrow(/1 of 2 approvals/)
    await verbs.approveModelVersion('churn', 1, { stage: 'Production', by: 'grace', comment: 'fine' })
    expect((await verbs.transitionStage('churn', 1, 'Production', need)).currentStage).toBe('Production')
    expect(await verbs.getApprovals('churn', 1)).toMatchObject([
      { decision: 'approved', stage: 'Production', by: 'ada' },
      { decision: 'approved', stage: 'Production', by: 'ada' },
      { decision: 'approved', stage: 'Production', by: 'grace', comment: 'fine' },
    ])
  })

  it('a rejection stops the move until the same person approves', async () => {
    const verbs = stand()
    await churn(verbs, 1)
    await verbs.approveModelVersion('churn', 1, { stage: 'Production', by: 'ada' })
    await verbs.rejectModelVersion('churn', 1, { stage: 'Production', by: 'grace', comment: 'it is biased' })
    for (const options of [{ requireApprovals: 1 }, {}])
      await expect(verbs.transitionStage('churn', 1, 'Production', options)).rejects.toThrow(/grace: it is biased/)
    expect((await verbs.transitionStage('churn', 1, 'Staging', {})).currentStage).toBe('Staging')
    await verbs.approveModelVersion('churn', 1, { stage: 'Production', by: 'grace' })
    await verbs.transitionStage('churn', 1, 'Production', { requireApprovals: 2 })
  })

  it('are given for one version and one stage or alias', async () => {
    const verbs = stand()
    await churn(verbs, 2)
    const need = { requireApprovals: 1 }
    await verbs.approveModelVersion('churn', 1, { stage: { alias: 'champion' } })
    await verbs.transitionStage('churn', 1, { alias: 'champion' }, need)
    for (const [version, stage] of [
      [2, { alias: 'champion' }],
      [1, { alias: 'challenger' }],
      [1, 'Production'],
    ] as const)
      await expect(verbs.transitionStage('churn', version, stage, need)).rejects.toBeInstanceOf(ApprovalRequiredError)
  })

  it('need a name and a count that makes sense', async () => {
    const verbs = stand()
    await churn(verbs, 1)
    const nobody = registry({ transport: async () => verbs.transport })
    await expect(nobody.approveModelVersion('churn', 1, { stage: 'Staging' })).rejects.toThrow(/who approves/)
    await expect(verbs.transitionStage('churn', 1, 'Staging', { requireApprovals: -1 })).rejects.toBeInstanceOf(
      InvalidParameterError,
    )
  })
})

describe('requireMetric', () => {
  async function withMetric(value: number) {
    const verbs = stand()
    const { run } = await verbs.transport.call('createRun', { experiment_id: '0', start_time: 1 })
    const runId = run.info.run_id
    const metrics = [{ key: 'auc', value, timestamp: 1, step: 0 }]
    await verbs.transport.call('logBatch', { run_id: runId, metrics })
    await verbs.createRegisteredModel('churn')
    await verbs.createModelVersion('churn', LAKE, { runId })
    return verbs
  }
  const move = async (value: number, requireMetric: { key: string; min?: number; max?: number }) =>
    (await (await withMetric(value)).transitionStage('churn', 1, 'Production', { requireMetric })).currentStage

  it('lets the version pass whose run reached it, limits included', async () => {
    expect(await move(0.9, { key: 'auc', min: 0.9 })).toBe('Production')
    expect(await move(0.9, { key: 'auc', min: 0, max: 0.9 })).toBe('Production')
  })

  it('stops what is too low, too high, no number or not there', async () => {
    await expect(move(0.89, { key: 'auc', min: 0.9 })).rejects.toThrow(/auc = 0.89; at least 0.9/)
    await expect(move(0.91, { key: 'auc', max: 0.9 })).rejects.toThrow(/at most 0.9/)
    await expect(move(Number.NaN, { key: 'auc', min: 0 })).rejects.toBeInstanceOf(ApprovalRequiredError)
    await expect(move(Number.NaN, { key: 'auc', max: 1 })).rejects.toBeInstanceOf(ApprovalRequiredError)
    await expect(move(1, { key: 'f1', min: 0 })).rejects.toThrow(/no metric "f1"/)
    await expect(move(1, { key: 'auc' })).rejects.toBeInstanceOf(InvalidParameterError)
  })

  it('takes the latest value of the logged model before that of its run', async () => {
    const verbs = stand()
    const { run } = await verbs.transport.call('createRun', { experiment_id: '0', start_time: 1 })
    const run_id = run.info.run_id
    const { model } = await verbs.transport.call('createLoggedModel', { experiment_id: '0', source_run_id: run_id })
    const { model_id } = model.info
    const metrics = [
      { key: 'auc', value: 0.5, timestamp: 1, step: 0, model_id },
      { key: 'auc', value: 0.8, timestamp: 2, step: 1, model_id },
      { key: 'auc', value: 0.1, timestamp: 3, step: 2 },
    ]
    await verbs.transport.call('logBatch', { run_id, metrics })
    await verbs.registerModel(`models:/${model_id}`, 'churn')
    const move = (min: number) =>
      verbs.transitionStage('churn', 1, 'Production', { requireMetric: [{ key: 'auc', min }] })
    await expect(move(0.81)).rejects.toThrow(/auc = 0.8;/)
    await move(0.8)
  })

  it('never takes the value of another model of the run: not for a version that names its model in the source alone, nor for a copy', async () => {
    const { transport } = stand()
    // As MLflow's databases answer.
    const database: Transport = {
      ...transport,
      async call(operation, input, options) {
        const answer = await transport.call(operation, input, options)
        const { model_version: one, model_versions: many = [] } = answer as {
          model_version?: { model_id?: unknown }
          model_versions?: { model_id?: unknown }[]
        }
        for (const version of [one, ...many]) if (version) delete version.model_id
        return answer
      },
    }
    const verbs = registry({ transport: async () => database, tracking: async () => transport })
    const { run } = await transport.call('createRun', { experiment_id: '0', start_time: 1 })
    const { run_id } = run.info
    const made = async (name: string) => {
      const input = { experiment_id: '0', source_run_id: run_id, name }
      const { model_id } = (await transport.call('createLoggedModel', input)).model.info
      await verbs.registerModel(`models:/${model_id}`, 'churn')
      return model_id
    }
    const models = [await made('bad'), await made('good'), await made('silent')]
    await transport.call('logOutputs', { run_id, models: models.map((model_id) => ({ model_id, step: 0 })) })
    await verbs.registerModel('models:/churn/1', 'copy')
    await verbs.registerModel('models:/copy/1', 'copy')
    const [bad, good] = models
    await transport.call('logBatch', {
      run_id,
      metrics: [
        { key: 'acc', value: 0.1, timestamp: 1, step: 0, model_id: bad },
        { key: 'acc', value: 0.95, timestamp: 2, step: 1, model_id: good },
      ],
    })
    const move = (name: string, version: number) =>
      verbs.transitionStage(name, version, 'Production', { requireMetric: { key: 'acc', min: 0.9 } })
    await expect(move('churn', 1)).rejects.toThrow(/acc = 0.1; at least 0.9/)
    await expect(move('copy', 2)).rejects.toThrow(/acc = 0.1; at least 0.9/)
    await expect(move('churn', 3)).rejects.toThrow(/no metric "acc"/)
    await move('churn', 2)
    // A point of the run's own counts for all of them that have none.
    await transport.call('logBatch', { run_id, metrics: [{ key: 'acc', value: 0.97, timestamp: 3, step: 2 }] })
    await move('churn', 3)
    // A copy outlives its original: then nobody can say which of the run's models it is.
    await verbs.deleteModelVersion('churn', 1)
    await expect(move('copy', 2)).rejects.toThrow(/no metric "acc"/)
  })

  it('takes the value of its run for a copy whose original is gone, where the run has no models', async () => {
    const verbs = await withMetric(0.9)
    await verbs.registerModel('models:/churn/1', 'copy')
    await verbs.deleteModelVersion('churn', 1)
    const move = (min: number) => verbs.transitionStage('copy', 1, 'Production', { requireMetric: { key: 'auc', min } })
    await expect(move(0.91)).rejects.toThrow(/auc = 0.9;/)
    await move(0.9)
  })
})
