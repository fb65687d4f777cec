import { createHash } from 'node:crypto'
import type { Dataset } from '../core/entities.js'
import { checkModelId, checkOptionalText } from '../core/names.js'
import { slipOf } from '../core/nearest.js'
import { checkedInUse, checkOptions, described, type Rules } from '../core/options.js'
import { toPairs } from '../core/pairs.js'
import { TAG } from '../core/tags.js'
import { valueText } from '../core/value-text.js'
import { InvalidParameterError } from '../errors.js'
import { fromDataset } from '../tracking/entities.js'
import { checkStep, DATASET_LIMITS } from '../tracking/values.js'
import type { Transport } from '../transport/transport.js'
import type { DatasetOptions, RunVerbs } from './verbs.js'

/** MLflow's limits for datasets (`mlflow/utils/validation.py`), in characters. */
const LIMITS = { ...DATASET_LIMITS, source: 65_535, schema: 1_048_575, profile: 16_777_215 } as const

const DATASET: Rules<DatasetOptions> = {
  name: checkedInUse,
  digest: checkedInUse,
  sourceType: checkedInUse,
  source: checkedInUse,
  schema: checkedInUse,
  profile: checkedInUse,
}

const fieldText = (field: string, value: unknown): string | undefined =>
  value === undefined || value === null ? undefined : valueText(`The ${field} of a dataset`, value)
const tagText = (key: string, value: unknown): string => valueText(`The dataset's tag ${JSON.stringify(key)}`, value)

/** A dataset as MLflow keeps it, its digest made of all the rest when none is given. */
function toDataset({ name, digest, source, sourceType = 'local', schema, profile }: DatasetOptions): Dataset {
  const texts = {
    name,
    source: fieldText('source', source),
    schema: fieldText('schema', schema),
    profile: fieldText('profile', profile),
  }
  if (typeof name !== 'string' || name === '') throw new InvalidParameterError('A dataset needs a name')
  if (texts.source === undefined) throw new InvalidParameterError(`The dataset ${JSON.stringify(name)} needs a source`)
  const hash = () => createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 8)
  const whole = { ...texts, source: texts.source, digest: digest ?? hash(), sourceType }
  for (const [field, limit] of Object.entries(LIMITS)) {
    const { length } = whole[field as keyof typeof LIMITS] ?? ''
    if (length > limit)
      throw new InvalidParameterError(
        `The ${field} of a dataset has ${length} characters; at most ${limit} are allowed`,
      )
    checkOptionalText(`The ${field} of a dataset`, whole[field as keyof typeof LIMITS])
  }
  return whole
}

/** A whole logged model is handed over, too; but without its step it would stand at step 0. */
function checkOutput(model: unknown): void {
  if (typeof model !== 'object' || model === null)
    throw new InvalidParameterError(
      `A logged model is named by its id or by { modelId, step }, not ${described(model)}`,
    )
  const odd = slipOf('step', model)
  if (odd !== undefined) throw new InvalidParameterError(`A logged model has no ${odd} here: did you mean step?`)
}

/** The verbs of a run that say what went in and what came out. */
export function inputVerbs(runId: string, transport: Transport): Pick<RunVerbs, 'logInput' | 'logOutputs'> {
  return {
    async logInput(dataset, { context, tags = {}, signal } = {}) {
      checkOptions('logInput takes a dataset, like { name, source }', dataset, DATASET)
      const all = { ...tags, ...(context === undefined ? {} : { [TAG.datasetContext]: context }) }
      const input = { tags: toPairs(all, tagText), dataset: fromDataset(toDataset(dataset)) }
      await transport.call('logInputs', { run_id: runId, datasets: [input] }, { signal })
    },
    async logOutputs(models, { signal } = {}) {
      if (!Array.isArray(models))
        throw new InvalidParameterError("logOutputs takes a list of logged models, like ['m-…'] or [{ modelId, step }]")
      const outputs = models.map((model) => {
        if (typeof model !== 'string') checkOutput(model)
        const { modelId, step = 0 } = typeof model === 'string' ? { modelId: model } : model
        return { model_id: checkModelId(modelId), step: checkStep('outputs', step) }
      })
      await transport.call('logOutputs', { run_id: runId, models: outputs }, { signal })
    },
  }
}
