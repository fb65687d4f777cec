import { z } from 'zod'

/** A whole number of 64 bits: JSON number or text; past 2^53 a bigint, so that nothing is rounded. */
export const int64 = z
  .union([z.number(), z.bigint(), z.string().regex(/^-?\d+$/)])
  .transform((value) => (typeof value === 'string' ? fromDigits(value) : value))

function fromDigits(text: string): number | bigint {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text)
}

/** A whole number that stays far below 2^53: a time in epoch milliseconds, a size in bytes, a count. */
export const whole = int64.transform(Number)

/** A double as MLflow's JSON has it: `NaN` and the infinities are words. */
const double = z.union([z.number(), z.nan(), z.string()]).transform((value, context) => {
  const number = typeof value === 'number' ? value : Number(value)
  if (typeof value === 'string' && value !== 'NaN' && Number.isNaN(number))
    context.issues.push({ code: 'custom', message: 'not a number', input: value })
  return number
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
  timestamp: whole.default(0),
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
  status: runStatus.default('RUNNING'),
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
export const modelInput = z.looseObject({ model_id: text })
export const modelOutput = z.looseObject({ model_id: text, step: int64.default(0) })

export const run = z.looseObject({
  info: runInfo,
  data: z
    .looseObject({ metrics: list(metric), params: list(param), tags: list(tag) })
    .nullish()
    .transform((data) => data ?? { metrics: [], params: [], tags: [] }),
  inputs: z.looseObject({ dataset_inputs: list(datasetInput), model_inputs: list(modelInput) }).optional(),
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
    status: loggedModelStatus.default('LOGGED_MODEL_STATUS_UNSPECIFIED'),
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

const alias = z.object({ alias: text, version: text })
export const modelVersion = z.looseObject({
  name: text,
  version: z.coerce.string(),
  creation_timestamp: whole.optional(),
  last_updated_timestamp: whole.optional(),
  user_id: maybe,
  current_stage: text.default('None'),
  description: maybe,
  source: maybe,
  run_id: maybe,
  run_link: maybe,
  status: text.default('READY'),
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
