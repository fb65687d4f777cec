import { z } from 'zod'

const DIGITS = /^-?\d+$/
const DECIMAL = /^-?\d+(?:\.\d*)?(?:e[+-]?\d+)?$/i

/** A whole number of 64 bits: JSON number or text; past 2^53 a bigint, so that nothing is rounded. */
export const int64 = z
  .union([z.number(), z.bigint(), z.string().refine(isWhole)])
  .transform((value) => (typeof value === 'string' ? fromText(value) : value))

/** Protobuf takes `1.0` and `1e3` as well. */
function isWhole(text: string): boolean {
  return DIGITS.test(text) || (DECIMAL.test(text) && Number.isSafeInteger(Number(text)))
}

function fromText(text: string): number | bigint {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text)
}

/** A whole number that stays far below 2^53: when a run or a model changed, a size in bytes, a count. */
export const whole = int64.transform(Number)

/** A double as MLflow's JSON has it: `NaN` and the infinities are words. */
const double = z.union([z.number(), z.nan(), z.string()]).transform((value, context) => {
  const number = typeof value === 'number' ? value : Number(value)
  if (typeof value === 'string' && value !== 'NaN' && Number.isNaN(number))
    context.issues.push({ code: 'custom', message: 'not a number', input: value })
  return number
})

/** A word of an answer, which may be told by its number; one that nobody knows is the first, as for Python. */
const told = <Word extends string>({ options: words }: { readonly options: Word[] }, first: number) =>
  z.union([z.string(), z.number()]).transform((given): Word => {
    const word = words.find((one) => one === given) ?? words[Number(given) - first] ?? words[0]
    return word as Word
  })

const text = z.string()
const maybe = text.optional()
/** A list that MLflow leaves out when it is empty. */
const list = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .nullish()
    .transform((items) => items ?? [])

export const tag = z.object({ key: text, value: text.default('') })
export const param = tag
export const metric = z.looseObject({
  key: text,
  value: double.default(0),
  timestamp: int64.default(0),
  step: int64.default(0),
  model_id: maybe,
  dataset_name: maybe,
  dataset_digest: maybe,
  run_id: maybe,
})

export const experiment = z.looseObject({
  experiment_id: text,
  name: text.default(''),
  artifact_location: maybe,
  lifecycle_stage: text.default('active'),
  creation_time: whole.optional(),
  last_update_time: whole.optional(),
  tags: list(tag),
})

export const runStatus = z.enum(['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'])
export const viewType = z.enum(['ACTIVE_ONLY', 'DELETED_ONLY', 'ALL'])

export const runInfo = z.looseObject({
  run_id: text,
  run_uuid: maybe,
  run_name: maybe,
  experiment_id: text,
  user_id: maybe,
  status: told(runStatus, 1).default('RUNNING'),
  start_time: whole.optional(),
  end_time: whole.optional(),
  artifact_uri: maybe,
  lifecycle_stage: text.default('active'),
})

const dataset = z.looseObject({
  name: text,
  digest: text,
  source_type: text,
  source: text,
  schema: maybe,
  profile: maybe,
})
export const datasetInput = z.looseObject({ tags: list(tag), dataset })
const toldInput = datasetInput.extend({
  dataset: dataset.extend({ source_type: text.default(''), source: text.default('') }),
})
export const modelInput = z.looseObject({ model_id: text })
export const modelOutput = z.looseObject({ model_id: text, step: int64.default(0) })

export const run = z.looseObject({
  info: runInfo,
  data: z
    .looseObject({ metrics: list(metric), params: list(param), tags: list(tag) })
    .nullish()
    .transform((data) => data ?? { metrics: [], params: [], tags: [] }),
  inputs: z.looseObject({ dataset_inputs: list(toldInput), model_inputs: list(modelInput) }).optional(),
  outputs: z.looseObject({ model_outputs: list(modelOutput) }).optional(),
})

export const file = z.looseObject({ path: text, is_dir: z.boolean().default(false), file_size: whole.optional() })

export const loggedModelStatus = z.enum([
  'LOGGED_MODEL_STATUS_UNSPECIFIED',
  'LOGGED_MODEL_PENDING',
  'LOGGED_MODEL_READY',
  'LOGGED_MODEL_UPLOAD_FAILED',
])
export const loggedModel = z.looseObject({
  info: z.looseObject({
    model_id: text,
    experiment_id: text,
    name: text.default(''),
    creation_timestamp_ms: whole.optional(),
    last_updated_timestamp_ms: whole.optional(),
    artifact_uri: maybe,
    status: told(loggedModelStatus, 0).default('LOGGED_MODEL_STATUS_UNSPECIFIED'),
    status_message: maybe,
    model_type: maybe,
    source_run_id: maybe,
    tags: list(tag),
  }),
  data: z
    .looseObject({ params: list(param), metrics: list(metric) })
    .nullish()
    .transform((data) => data ?? { params: [], metrics: [] }),
})

const VERSION_STATUS = ['PENDING_REGISTRATION', 'FAILED_REGISTRATION', 'READY'] as const
/** The number of a version, a text for MLflow. */
const version = z.union([text, z.number()]).transform(String)
const alias = z.object({ alias: text, version })
export const modelVersion = z.looseObject({
  name: text,
  version,
  creation_timestamp: whole.optional(),
  last_updated_timestamp: whole.optional(),
  user_id: maybe,
  current_stage: text.default('None'),
  description: maybe,
  source: maybe,
  run_id: maybe,
  run_link: maybe,
  status: z
    .union([text, z.number()])
    .transform((given) => VERSION_STATUS[Number(given) - 1] ?? String(given))
    .default('READY'),
  status_message: maybe,
  model_id: maybe,
  tags: list(tag),
  aliases: list(text),
})
export const registeredModel = z.looseObject({
  name: text,
  creation_timestamp: whole.optional(),
  last_updated_timestamp: whole.optional(),
  user_id: maybe,
  description: maybe,
  latest_versions: list(modelVersion),
  tags: list(tag),
  aliases: list(alias),
})
