import { expect, it } from 'vitest'
import { AlreadyExistsError, errorFromCode, InvalidParameterError, NotFoundError } from '../../src/errors.js'
import { experiments } from '../../src/tracking/experiments.js'
import { fileTransport } from '../../src/transport/file/file.js'
import type { Transport } from '../../src/transport/transport.js'
import { tempDir } from '../support/temp-dir.js'

const local = () => {
  const transport = fileTransport({ root: `${tempDir()}/mlruns` })
  return experiments(async () => transport)
}

it('a rename that a database refuses is to a taken name where another experiment has it', async () => {
  const refusal = errorFromCode('BAD_REQUEST', '(sqlite3.IntegrityError) UNIQUE constraint failed', { status: 400 })
  const call = async (operation: string) => {
    if (operation === 'updateExperiment') throw refusal
    return { experiment: { experiment_id: '5', name: 'taken', tags: [] } }
  }
  const verbs = experiments(async () => ({ call, close: async () => {} }) as unknown as Transport)
  await expect(verbs.renameExperiment('4', 'taken')).rejects.toMatchObject({
    constructor: AlreadyExistsError,
    message: 'An experiment "taken" exists already (id 5)',
    cause: refusal,
  })
  await expect(verbs.renameExperiment('5', 'taken')).rejects.toBe(refusal)
})

it('a tag is removed of an experiment that is there', async () => {
  const verbs = local()
  await verbs.deleteExperimentTag('0', 'absent')
  await expect(verbs.deleteExperimentTag('99', 'absent')).rejects.toThrow(NotFoundError)
})

it('tags are texts as those of runs are, and left out without a value', async () => {
  const verbs = local()
  const odd = { list: [1, { a: 2n }], none: null, date: new Date(0) } as never
  const kept = { list: '[1,{"a":"2"}]', date: '1970-01-01T00:00:00.000Z' }
  const id = await verbs.createExperiment('odd', { tags: odd })
  await verbs.setExperimentTags('0', odd)
  for (const experiment of [id, '0']) expect((await verbs.getExperiment(experiment)).tags).toEqual(kept)
  await expect(verbs.setExperimentTag('0', 'map', new Map() as never)).rejects.toThrow(InvalidParameterError)
})

it('of several tags one that cannot be kept keeps none', async () => {
  const verbs = local()
  await expect(verbs.setExperimentTags('0', { a: 'x', b: new Map() as never })).rejects.toThrow(InvalidParameterError)
  expect((await verbs.getExperiment('0')).tags).toEqual({})
})
