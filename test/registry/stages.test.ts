import { describe, expect, it } from 'vitest'
import { InvalidParameterError, NotFoundError, NothingToRollBackError } from '../../src/errors.js'
import { registry } from '../../src/registry/registry.js'
import { churn, stand } from './stand.js'

type Verbs = ReturnType<typeof stand>

async function stages(verbs: Verbs): Promise<Record<string, string>> {
  const found = await verbs.searchModelVersions({ filter: "name = 'churn'" })
  return Object.fromEntries(found.map(({ version, currentStage }) => [version, currentStage]))
}
const champion = { alias: 'champion' }
const holder = async (verbs: Verbs) => (await verbs.getModelVersionByAlias('churn', 'champion')).version

describe('transitionStage', () => {
  it('moves a version and remembers who, when, from where and why', async () => {
    const verbs = stand()
    await churn(verbs, 1)
    const moved = await verbs.transitionStage('churn', 1, 'sTaGing', { by: 'grace', comment: 'look at it' })
    expect(moved).toMatchObject({ version: '1', currentStage: 'Staging' })
    await verbs.transitionStage('churn', '1', 'Production')
    const history = await verbs.getStageHistory('churn')
    expect(history).toMatchObject([
      { version: '1', from: 'None', to: 'Staging', by: 'grace', comment: 'look at it', rollback: false },
      { version: '1', from: 'Staging', to: 'Production', by: 'ada', comment: undefined, rollback: false },
    ])
    expect(history[0]!.timestamp).toBeLessThan(history[1]!.timestamp)
  })

  it('archives the versions in the stage when asked, and remembers that of each', async () => {
    const verbs = stand()
    await churn(verbs, 3)
    for (const version of [1, 2]) await verbs.transitionStage('churn', version, 'Production')
    await verbs.transitionStage('churn', 3, 'Production', { archiveExisting: true })
    expect(await stages(verbs)).toEqual({ 1: 'Archived', 2: 'Archived', 3: 'Production' })
    expect((await verbs.getStageHistory('churn')).slice(-3)).toMatchObject([
      { version: '3', from: 'None', to: 'Production' },
      { version: '1', from: 'Production', to: 'Archived' },
      { version: '2', from: 'Production', to: 'Archived' },
    ])
  })

  it('keeps the history as tags that any MLflow server holds, one per event, however many write', async () => {
    const verbs = stand()
    await churn(verbs, 1)
    const other = registry({ transport: async () => verbs.transport, user: () => 'bob' })
    await Promise.all([
      verbs.transitionStage('churn', 1, 'Staging'),
      other.transitionStage('churn', 1, 'Production'),
      verbs.transitionStage('churn', 1, champion),
    ])
    const keys = Object.keys((await verbs.getModelVersion('churn', 1)).tags)
    expect(keys).toHaveLength(3)
    for (const key of keys) expect(key).toMatch(/^cairn\.stage\.\d{8}T\d{9}Z-[0-9a-f]{8}$/)
    expect(await verbs.getStageHistory('churn')).toHaveLength(3)
  })

  it('remembers nothing when nothing moves, and reads over tags that are no events', async () => {
    const verbs = stand()
    await churn(verbs, 1)
    await verbs.transitionStage('churn', 1, 'None')
    for (const [i, text] of ['', 'null', '{', '{"at":"x"}', '{"at":1e99,"to":"Staging"}', '{"at":5}'].entries())
      await verbs.setModelVersionTag('churn', 1, `cairn.stage.${i}`, text)
    expect(await verbs.getStageHistory('churn')).toEqual([])
  })

  it('keeps the order of events when clocks disagree', async () => {
    const verbs = stand()
    await churn(verbs, 2)
    await verbs.transitionStage('churn', 1, 'Production')
    const late = registry({ transport: async () => verbs.transport, now: () => 1_000 })
    await late.transitionStage('churn', 2, 'Production', { archiveExisting: true })
    expect((await verbs.getStageHistory('churn')).map(({ version }) => version)).toEqual(['1', '2', '1'])
    expect((await verbs.rollback('churn', 'Production')).version).toBe('1')
  })

  it('moves an alias and remembers who had it before', async () => {
    const verbs = stand()
    await churn(verbs, 2)
    expect((await verbs.transitionStage('churn', 1, champion)).aliases).toEqual(['champion'])
    await verbs.transitionStage('churn', 2, champion, { comment: 'better' })
    await verbs.transitionStage('churn', 2, champion)
    expect(await holder(verbs)).toBe('2')
    expect(await verbs.getStageHistory('churn')).toMatchObject([
      { alias: 'champion', version: '1', from: undefined, to: '1' },
      { alias: 'champion', version: '2', from: '1', to: '2', comment: 'better' },
    ])
    expect(await stages(verbs)).toEqual({ 1: 'None', 2: 'None' })
  })

  it('refuses before anything moves', async () => {
    const verbs = stand()
    await churn(verbs, 1)
    const refused = InvalidParameterError
    await expect(verbs.transitionStage('churn', 1, 'Prod')).rejects.toBeInstanceOf(refused)
    await expect(verbs.transitionStage('churn', 1, { alias: 'latest' })).rejects.toBeInstanceOf(refused)
    await expect(verbs.transitionStage('churn', 1, undefined as never)).rejects.toBeInstanceOf(refused)
    await expect(verbs.transitionStage('churn', 1, 'None', { archiveExisting: true })).rejects.toBeInstanceOf(refused)
    await expect(verbs.transitionStage('churn', 1, 'Staging', { comment: 'x'.repeat(4001) })).rejects.toThrow(/4001/)
    await expect(verbs.transitionStage('churn', 2, 'Staging')).rejects.toBeInstanceOf(NotFoundError)
    await expect(verbs.transitionStage('nobody', 1, 'Staging')).rejects.toBeInstanceOf(NotFoundError)
    expect(await stages(verbs)).toEqual({ 1: 'None' })
    expect(await verbs.getStageHistory('churn')).toEqual([])
  })

  it('works on names with quotes in them', async () => {
    const verbs = stand()
    for (const name of ["o'hara", 'the "one"', `both ' and "`]) {
      await churn(verbs, 1, name)
      await verbs.transitionStage(name, 1, 'Staging')
      expect(await verbs.getStageHistory(name), name).toHaveLength(1)
    }
  })
})

describe('rollback', () => {
  const promote = (verbs: Verbs, version: number) =>
    verbs.transitionStage('churn', version, 'Production', { archiveExisting: true })

  it('gives the stage back to the version that held it before, and archives the one that has it', async () => {
    const verbs = stand()
    await churn(verbs, 2)
    await promote(verbs, 1)
    await promote(verbs, 2)
    const back = await verbs.rollback('churn', 'production', { by: 'grace', comment: 'it drifts' })
    expect(back).toMatchObject({ version: '1', currentStage: 'Production' })
    expect(await stages(verbs)).toEqual({ 1: 'Production', 2: 'Archived' })
    expect((await verbs.getStageHistory('churn')).slice(-2)).toMatchObject([
      { version: '1', from: 'Archived', to: 'Production', by: 'grace', comment: 'it drifts', rollback: true },
      { version: '2', from: 'Production', to: 'Archived', by: 'grace', comment: 'it drifts', rollback: false },
    ])
  })

  it('goes further back each time, not to and fro, until nothing is left', async () => {
    const verbs = stand()
    await churn(verbs, 4)
    for (const version of [1, 2, 3]) await promote(verbs, version)
    expect((await verbs.rollback('churn', 'Production')).version).toBe('2')
    await promote(verbs, 4)
    expect((await verbs.rollback('churn', 'Production')).version).toBe('2')
    expect((await verbs.rollback('churn', 'Production')).version).toBe('1')
    await expect(verbs.rollback('churn', 'Production')).rejects.toBeInstanceOf(NothingToRollBackError)
    expect(await stages(verbs)).toEqual({ 1: 'Production', 2: 'Archived', 3: 'Archived', 4: 'Archived' })
  })

  it('with several in the stage, the last to come goes and the one before stays', async () => {
    const verbs = stand()
    await churn(verbs, 2)
    for (const version of [1, 2]) await verbs.transitionStage('churn', version, 'Production')
    expect((await verbs.rollback('churn', 'Production')).version).toBe('1')
    expect(await stages(verbs)).toEqual({ 1: 'Production', 2: 'Archived' })
  })

  it('with nobody in the stage, the version that held it last returns', async () => {
    const verbs = stand()
    await churn(verbs, 2)
    await promote(verbs, 1)
    await promote(verbs, 2)
    await verbs.transitionStage('churn', 2, 'Archived')
    expect((await verbs.rollback('churn', 'Production')).version).toBe('2')
  })

  it('counts a version that another client moved without a word as the last to come', async () => {
    const verbs = stand()
    await churn(verbs, 3)
    await promote(verbs, 2)
    const input = { name: 'churn', version: '3', stage: 'Production', archive_existing_versions: true }
    await verbs.transport.call('transitionModelVersionStage', input)
    expect((await verbs.rollback('churn', 'Production')).version).toBe('2')
    expect(await stages(verbs)).toEqual({ 1: 'None', 2: 'Production', 3: 'Archived' })
  })

  it('passes over a version that was deleted', async () => {
    const verbs = stand()
    await churn(verbs, 3)
    for (const version of [1, 2, 3]) await promote(verbs, version)
    await verbs.deleteModelVersion('churn', 2)
    expect((await verbs.rollback('churn', 'Production')).version).toBe('1')
  })

  it('moves an alias back, and again further back', async () => {
    const verbs = stand()
    await churn(verbs, 3)
    for (const version of [1, 2, 3]) await verbs.transitionStage('churn', version, champion)
    for (const version of ['2', '1']) {
      expect((await verbs.rollback('churn', champion)).version).toBe(version)
      expect(await holder(verbs)).toBe(version)
    }
    await expect(verbs.rollback('churn', champion)).rejects.toThrow(/alias "champion"/)
  })

  it('keeps stages and aliases apart', async () => {
    const verbs = stand()
    await churn(verbs, 2)
    await promote(verbs, 1)
    await verbs.transitionStage('churn', 2, champion)
    await expect(verbs.rollback('churn', 'Production')).rejects.toBeInstanceOf(NothingToRollBackError)
    await expect(verbs.rollback('churn', 'Archived')).rejects.toBeInstanceOf(InvalidParameterError)
  })
})
