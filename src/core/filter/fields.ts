import { PROMPT_TAG } from '../prompt.js'

/** What is searched: the five kinds of things MLflow has a search for. */
export type FilterTarget = 'runs' | 'experiments' | 'registeredModels' | 'modelVersions' | 'loggedModels'
/** Where a clause or a sort key looks. */
export type Entity = 'attribute' | 'metric' | 'param' | 'tag' | 'dataset'
/** Every operator of the dialect, spelt as in a parsed clause. */
export type Operator =
  | '='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | 'LIKE'
  | 'ILIKE'
  | 'IN'
  | 'NOT IN'
  | 'IS NULL'
  | 'IS NOT NULL'

/** One key to sort by; `dataset` narrows a logged model's metric to what was measured on it. */
export interface OrderKey {
  readonly entity: Exclude<Entity, 'dataset'>
  readonly key: string
  readonly ascending: boolean
  readonly dataset?: { readonly name: string; readonly digest?: string }
}

/** What one field, or any key of one entity, may be compared with. */
export interface Rule {
  readonly value: 'number' | 'text'
  readonly operators: readonly Operator[]
  /** Whether MLflow also takes the number in quotes. */
  readonly quotedNumber?: true
}

/** The dialect of one target, as data. */
export interface Rules {
  /** How messages call the things searched. */
  readonly noun: string
  /** The words before the dot. */
  readonly words: Readonly<Record<string, Entity>>
  /** Attributes by canonical name. */
  readonly fields: Readonly<Record<string, Rule>>
  /** Other spellings of attributes. */
  readonly aliases: Readonly<Record<string, string>>
  /** Entities with free keys. */
  readonly keyed: Readonly<Partial<Record<Entity, Rule>>>
  /** A tag that counts as the text `equals` where it is absent, and as different from `differs`. */
  readonly absentTag?: { readonly key: string; readonly equals: string; readonly differs: string }
  readonly orderEntities: readonly Entity[]
  readonly orderFields: readonly string[]
  readonly defaultOrder: readonly OrderKey[]
  readonly tieBreaks: readonly OrderKey[]
  readonly example: string
  readonly orderExample: string
}

const MATCH = ['=', '!=', 'LIKE', 'ILIKE'] as const
const number: Rule = { value: 'number', operators: ['=', '!=', '<', '<=', '>', '>='] }
const text: Rule = { value: 'text', operators: MATCH }
const listed: Rule = { value: 'text', operators: [...MATCH, 'IN', 'NOT IN'] }
const nullable: Rule = { value: 'text', operators: [...MATCH, 'IS NULL', 'IS NOT NULL'] }

const asc = (key: string): OrderKey => ({ entity: 'attribute', key, ascending: true })
const desc = (key: string): OrderKey => ({ entity: 'attribute', key, ascending: false })

const ATTRIBUTE_WORDS = {
  attribute: 'attribute',
  attributes: 'attribute',
  attr: 'attribute',
  run: 'attribute',
} as const
const METRIC_WORDS = { metrics: 'metric', metric: 'metric' } as const
const PARAM_WORDS = { params: 'param', param: 'param', parameters: 'param', parameter: 'param' } as const
const TAG_WORDS = { tags: 'tag', tag: 'tag' } as const
const IS_PROMPT = { key: PROMPT_TAG, equals: 'false', differs: 'true' }

/** The fields that `datasets.…` knows. */
export const datasetFields: Readonly<Record<string, Rule>> = { name: listed, digest: listed, context: listed }

/** What each target allows: entity words, fields, operators, kinds of value, sort keys, default order. */
export const rules: Readonly<Record<FilterTarget, Rules>> = {
  runs: {
    noun: 'runs',
    words: {
      ...METRIC_WORDS,
      ...PARAM_WORDS,
      ...TAG_WORDS,
      ...ATTRIBUTE_WORDS,
      datasets: 'dataset',
      dataset: 'dataset',
    },
    fields: {
      run_id: listed,
      run_name: text,
      user_id: text,
      status: text,
      artifact_uri: text,
      start_time: number,
      end_time: number,
    },
    aliases: {
      created: 'start_time',
      Created: 'start_time',
      'run name': 'run_name',
      'Run name': 'run_name',
      'Run Name': 'run_name',
    },
    keyed: { metric: number, param: nullable, tag: nullable },
    orderEntities: ['attribute', 'metric', 'param', 'tag'],
    orderFields: ['run_id', 'run_name', 'user_id', 'status', 'artifact_uri', 'start_time', 'end_time'],
    defaultOrder: [],
    tieBreaks: [desc('start_time'), asc('run_id')],
    example: "metrics.auc > 0.8 AND params.optimizer = 'adam' AND tags.`release date` LIKE '2026%'",
    orderExample: 'metrics.auc DESC',
  },
  experiments: {
    noun: 'experiments',
    words: { attribute: 'attribute', ...TAG_WORDS },
    fields: { name: text, experiment_id: listed, creation_time: number, last_update_time: number },
    aliases: {},
    keyed: { tag: nullable },
    orderEntities: ['attribute'],
    orderFields: ['name', 'experiment_id', 'creation_time', 'last_update_time'],
    defaultOrder: [desc('creation_time'), asc('experiment_id')],
    tieBreaks: [desc('experiment_id')],
    example: "name LIKE 'churn-%' AND tags.team = 'growth'",
    orderExample: 'last_update_time DESC',
  },
  registeredModels: {
    noun: 'registered models',
    words: { attribute: 'attribute', ...TAG_WORDS },
    fields: { name: listed },
    aliases: { timestamp: 'last_updated_timestamp' },
    keyed: { tag: text },
    absentTag: IS_PROMPT,
    orderEntities: ['attribute'],
    orderFields: ['name', 'creation_timestamp', 'last_updated_timestamp'],
    defaultOrder: [],
    tieBreaks: [asc('name')],
    example: "name ILIKE 'churn%' AND tags.team = 'growth'",
    orderExample: 'last_updated_timestamp DESC',
  },
  modelVersions: {
    noun: 'model versions',
    words: { attribute: 'attribute', ...TAG_WORDS },
    fields: { name: listed, run_id: listed, source_path: text, version_number: { ...number, quotedNumber: true } },
    aliases: {},
    keyed: { tag: text },
    absentTag: IS_PROMPT,
    orderEntities: ['attribute'],
    orderFields: ['name', 'version_number', 'creation_timestamp', 'last_updated_timestamp'],
    defaultOrder: [desc('last_updated_timestamp'), asc('name'), desc('version_number')],
    tieBreaks: [asc('name'), desc('version_number')],
    example: "name = 'churn' AND version_number >= 3",
    orderExample: 'version_number DESC',
  },
  loggedModels: {
    noun: 'logged models',
    words: { ...METRIC_WORDS, ...PARAM_WORDS, ...TAG_WORDS, ...ATTRIBUTE_WORDS },
    fields: {
      name: listed,
      model_id: listed,
      model_type: listed,
      status: listed,
      source_run_id: listed,
      creation_timestamp: number,
      last_updated_timestamp: number,
    },
    aliases: { creation_time: 'creation_timestamp', last_updated_time: 'last_updated_timestamp' },
    keyed: { metric: number, param: text, tag: text },
    orderEntities: ['attribute', 'metric'],
    orderFields: [
      'name',
      'model_id',
      'model_type',
      'status',
      'source_run_id',
      'creation_timestamp',
      'last_updated_timestamp',
    ],
    defaultOrder: [],
    tieBreaks: [desc('creation_timestamp'), asc('model_id')],
    example: "metrics.auc > 0.8 AND name LIKE 'churn%'",
    orderExample: 'metrics.auc DESC',
  },
}
