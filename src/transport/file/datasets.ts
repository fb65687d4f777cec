import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { checkModelId, lengthOf } from '../../core/names.js'
import { toRecord, valueIn } from '../../core/pairs.js'
import { TAG } from '../../core/tags.js'
import { createDir } from '../../disk/stage-dir.js'
import { exists, writeAtomic } from '../../disk/write.js'
import { IntegrityError, InvalidParameterError, NotFoundError } from '../../errors.js'
import type { Input, Output, WireDatasetInput } from '../protocol.js'
import { type Meta, readMeta, textField, wholeNumber, writeMeta } from './codec.js'
import type { HandlersOf } from './handlers.js'
import { findExperimentDir, findModelDir, META, type Store } from './layout.js'
import { findActiveRun, listRunsIn } from './run-meta.js'

const MOST_SUMMARIES = 1000
/** Longest name, digest, source, schema and profile, in characters; a tag's key and value. */
const LENGTHS = { name: 500, digest: 36, source: 65_535, schema: 1_048_575, profile: 16_777_215 } as const
const TAG_LENGTHS = { key: 255, value: 500 } as const

const md5 = (...texts: readonly string[]): string => createHash('md5').update(texts.join('')).digest('hex')

function put(store: Store, dir: string, meta: Readonly<Record<string, unknown>>): void {
  if (!exists(dir)) createDir(store.root, dir, (staged) => writeAtomic(join(staged, META), writeMeta(meta)))
}

type NewDatasetInput = NonNullable<Input<'logInputs'>['datasets']>[number]

function checkLength(what: string, text: string, most: number): void {
  if (lengthOf(text) > most)
    throw new InvalidParameterError(`${what} has ${lengthOf(text)} characters; at most ${most} are allowed`)
}

function checkDataset({ dataset, tags }: NewDatasetInput): void {
  for (const field of ['name', 'digest', 'source_type', 'source'] as const)
    if (!dataset[field]) throw new InvalidParameterError(`A dataset needs a ${field} that is not empty`)
  for (const field of ['name', 'digest', 'source', 'schema', 'profile'] as const)
    checkLength(
      `The ${field} of the dataset ${JSON.stringify(dataset.name.slice(0, 80))}`,
      dataset[field] ?? '',
      LENGTHS[field],
    )
  for (const { key, value = '' } of tags ?? []) {
    checkLength('The key of a dataset tag', key, TAG_LENGTHS.key)
    checkLength(`The value of the dataset tag ${JSON.stringify(key.slice(0, 80))}`, value, TAG_LENGTHS.value)
  }
}

function putDataset(store: Store, run: string, runId: string, { dataset, tags }: NewDatasetInput): void {
  const { name, digest, source_type, source, schema = null, profile = null } = dataset
  const id = md5(name, digest)
  put(store, join(dirname(run), 'datasets', id), { digest, name, profile, schema, source, source_type })
  put(store, join(run, 'inputs', md5(id, runId)), {
    destination_id: id,
    destination_type: 'RUN',
    source_id: id,
    source_type: 'DATASET',
    tags: toRecord(tags ?? []),
  })
}

function putModel(store: Store, run: string, runId: string, id: string): void {
  put(store, join(run, 'inputs', md5(id, runId)), {
    destination_id: id,
    destination_type: 'RUN',
    source_id: id,
    source_type: 'MODEL',
    tags: {},
  })
}

/** Notes a model whose metrics a run logs; one that is not there is said of the points that name it. */
export function linkModelNow(store: Store, { run_id, model_id }: { run_id: string; model_id: string }): void {
  const { dir } = findActiveRun(store, run_id)
  if (!findModelDir(store, checkModelId(model_id))) return
  if (readOutputs(store, dir).model_outputs.some((output) => output.model_id === model_id)) return
  putModel(store, dir, run_id, model_id)
}

function logInputs(store: Store, input: Input<'logInputs'>): void {
  const { dir } = findActiveRun(store, input.run_id)
  input.datasets?.forEach(checkDataset)
  for (const { model_id: id } of input.models ?? []) checkModelId(id)
  for (const dataset of input.datasets ?? []) putDataset(store, dir, input.run_id, dataset)
  for (const { model_id: id } of input.models ?? []) putModel(store, dir, input.run_id, id)
}

function logOutputs(store: Store, input: Input<'logOutputs'>): void {
  const { dir } = findActiveRun(store, input.run_id)
  for (const { model_id: id } of input.models) checkModelId(id)
  for (const { model_id: id, step = 0 } of input.models)
    put(store, join(dir, 'outputs', id), {
      destination_id: id,
      destination_type: 'MODEL_OUTPUT',
      source_id: id,
      source_type: 'RUN_OUTPUT',
      step,
      tags: {},
    })
}

/** The readable `meta.yaml` of each folder in a folder, sorted by the folder's name. */
function metasIn(store: Store, dir: string): Meta[] {
  return [...store.memo.dirs(dir)].sort().flatMap<Meta>((name) => {
    try {
      const file = join(dir, name, META)
      return store.memo.read(file, (text) => readMeta(text, file)) ?? []
    } catch (error) {
      // One torn file must not make its run unreadable.
      if (error instanceof IntegrityError) return []
      throw error
    }
  })
}

const tagsOf = (meta: Meta): { key: string; value: string }[] =>
  Object.entries(typeof meta.tags === 'object' && meta.tags !== null ? meta.tags : {}).map(([key, value]) => ({
    key,
    value: typeof value === 'string' ? value : '',
  }))

function readDataset(store: Store, experiment: string, input: Meta): WireDatasetInput[] {
  const id = textField(input, 'source_id') ?? ''
  if (!/^[\w-]+$/.test(id)) return []
  const file = join(experiment, 'datasets', id, META)
  const meta = store.memo.read(file, (text) => readMeta(text, file))
  if (!meta) return []
  const schema = textField(meta, 'schema')
  const profile = textField(meta, 'profile')
  const dataset = {
    name: textField(meta, 'name') ?? '',
    digest: textField(meta, 'digest') ?? '',
    source_type: textField(meta, 'source_type') ?? '',
    source: textField(meta, 'source') ?? '',
    ...(schema === undefined ? {} : { schema }),
    ...(profile === undefined ? {} : { profile }),
  }
  return [{ tags: tagsOf(input), dataset }]
}

/** What went into a run: datasets and models. */
export function readInputs(store: Store, run: string): NonNullable<Output<'getRun'>['run']['inputs']> {
  const metas = metasIn(store, join(run, 'inputs'))
  const ofType = (type: string) => metas.filter((meta) => textField(meta, 'source_type') === type)
  return {
    dataset_inputs: ofType('DATASET').flatMap((meta) => readDataset(store, dirname(run), meta)),
    model_inputs: ofType('MODEL').map((meta) => ({ model_id: textField(meta, 'source_id') ?? '' })),
  }
}

/** What came out of a run: models. */
export function readOutputs(store: Store, run: string): NonNullable<Output<'getRun'>['run']['outputs']> {
  const metas = metasIn(store, join(run, 'outputs'))
  return {
    model_outputs: metas
      .filter((meta) => textField(meta, 'destination_type') === 'MODEL_OUTPUT')
      .map((meta) => ({
        model_id: textField(meta, 'destination_id') ?? '',
        step: /^-?\d+$/.test(textField(meta, 'step') ?? '') ? wholeNumber(textField(meta, 'step') ?? '0') : 0,
      })),
  }
}

/** The context a dataset was used in, by its tag. */
export const contextOf = ({ tags }: WireDatasetInput): string | undefined => valueIn(tags, TAG.datasetContext)

type Summary = Output<'searchDatasets'>['dataset_summaries'][number]

function summaries(store: Store, experimentIds: readonly string[]): Summary[] {
  const found = new Map<string, Summary>()
  for (const id of experimentIds) {
    const dir = findExperimentDir(store, id)
    if (!dir) throw new NotFoundError(`There is no experiment with id ${id} in ${store.root}`)
    for (const run of listRunsIn(store, dir))
      for (const input of readInputs(store, run.dir).dataset_inputs) {
        const { name, digest } = input.dataset
        const context = contextOf(input)
        const summary = { experiment_id: id, name, digest, ...(context === undefined ? {} : { context }) }
        found.set(JSON.stringify(Object.values(summary)), summary)
        if (found.size === MOST_SUMMARIES) return [...found.values()]
      }
  }
  return [...found.values()]
}

type DatasetOperation = 'logInputs' | 'logOutputs' | 'searchDatasets'

/** The operations on what goes into runs and comes out of them. */
export const datasets = (store: Store): HandlersOf<DatasetOperation> => ({
  async logInputs(input) {
    logInputs(store, input)
    return {}
  },
  async logOutputs(input) {
    logOutputs(store, input)
    return {}
  },
  async searchDatasets(input) {
    return { dataset_summaries: summaries(store, input.experiment_ids) }
  },
})
