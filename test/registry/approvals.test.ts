import { describe, expect, it } from 'vitest'
import { ApprovalRequiredError, InvalidParameterError } from '../../src/errors.js'
import { registry } from '../../src/registry/registry.js'
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
})
