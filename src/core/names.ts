import { InvalidParameterError } from '../errors.js'
import type { RunStatus, ViewType } from './entities.js'
import { oneOf, shown } from './options.js'

/** The id of the experiment that every store has. */
export const DEFAULT_EXPERIMENT = '0'

/** MLflow's limits (`mlflow/utils/validation.py`); lengths are in Unicode code points. */
export const LIMITS = {
  metricsPerBatch: 1000,
  paramsPerBatch: 100,
  tagsPerBatch: 100,
  entitiesPerBatch: 1000,
  modelParamsPerCall: 100,
  key: 250,
  paramValue: 6000,
  tagValue: 8000,
  experimentName: 500,
  /** What a database has room for, though some take more: a name that is made has to fit anywhere. */
  newExperimentName: 256,
  runName: 250,
  experimentTagValue: 5000,
  registryTagValue: 100_000,
  alias: 255,
  artifactLocation: 2048,
} as const

const KEY = /^[\p{L}\p{N}_/.\- :]+$/u
const RUN_ID = /^[a-zA-Z0-9][\w-]{0,255}$/
const EXPERIMENT_ID = /^[a-zA-Z0-9][\w-]{0,63}$/

const quote = (name: string): string => JSON.stringify(name.length > 80 ? `${name.slice(0, 77)}...` : name)
const refuse = (message: string): never => {
  throw new InvalidParameterError(message)
}

/** As `checkText`, for a name by which a thing is found again: two with half an emoji each would be one. */
function checkName(what: string, name: string): string {
  if (typeof name === 'string' && !name.isWellFormed())
    refuse(`${what} ${quote(name)} contains half a character (a lone surrogate), which no server keeps; take it out`)
  return checkText(what, name)
}

/** A text as every server keeps it: U+FFFD for half an emoji; NUL, for which PostgreSQL has no room, is refused. */
export function checkText(what: string, text: string): string {
  if (typeof text !== 'string') refuse(`${what} must be a text, not ${text === null ? 'null' : typeof text}`)
  if (text.includes('\0')) refuse(`${what} contains a NUL character ("\\0"), which databases do not keep; take it out`)
  return text.toWellFormed()
}

/** As `checkText`, for a text that may be left out. */
export const checkOptionalText = (what: string, text: string | undefined): string | undefined =>
  text === undefined || text === null ? undefined : checkText(what, text)

/** Length in Unicode code points, as Python counts. */
export function lengthOf(text: string): number {
  let surrogates = 0
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xfc00) === 0xd800) surrogates++
  return text.length - surrogates
}

/** The first `limit` code points of a text. */
export function cutTo(text: string, limit: number): string {
  return text.length <= limit ? text : [...text.slice(0, 2 * limit)].slice(0, limit).join('')
}

/** Checks the key of a metric, parameter or tag by MLflow's rule; throws `InvalidParameterError` naming what breaks it. */
export function checkKey(kind: 'metric' | 'param' | 'tag', key: string): string {
  if (typeof key !== 'string') refuse(`A ${kind} key must be a string, not ${key === null ? 'null' : typeof key}`)
  if (key === '') refuse(`A ${kind} key must not be empty`)
  if (lengthOf(key) > LIMITS.key)
    refuse(`The ${kind} key ${quote(key)} has ${lengthOf(key)} characters; at most ${LIMITS.key} are allowed`)
  if (!KEY.test(key)) {
    const bad = [...key].find((char) => !KEY.test(char)) ?? ''
    refuse(
      `The ${kind} key ${quote(key)} contains ${JSON.stringify(bad)}; letters, digits, "_", "-", ".", ":", "/" and space are allowed`,
    )
  }
  if (key.split('/').some((part) => part === '' || part === '.' || part === '..') || key.startsWith('..'))
    refuse(
      `The ${kind} key ${quote(key)} is not a plain path: no leading, trailing or double "/", no "." or ".." segment`,
    )
  return key
}

/** Checks a run id before it becomes part of a path or URL. */
export function checkRunId(id: string): string {
  return RUN_ID.test(checkText('A run id', id))
    ? id
    : refuse(`${quote(id)} is not a run id (like 769c9d7e3aa6419b96b414c86360e9e8)`)
}

/** Checks an experiment id before it becomes part of a path or URL. */
export function checkExperimentId(id: string): string {
  return EXPERIMENT_ID.test(checkText('An experiment id', id))
    ? id
    : refuse(`${quote(id)} is not an experiment id (like "0")`)
}

/** Whether a text is the id of a logged model. */
export const isModelId = (id: unknown): id is string => typeof id === 'string' && /^m-[0-9a-zA-Z]{1,64}$/.test(id)

/** Checks the id of a logged model (`m-` and 32 hexadecimal digits, as MLflow makes them). */
export function checkModelId(id: string): string {
  return isModelId(id) ? id : refuse(`${shown(id)} is not a model id (like m-0572626502694a71bde4b3c3d124ceb7)`)
}

/** Checks the name of a run, where it has one. */
export function checkRunName<T extends string | undefined>(name: T): T {
  const text = checkOptionalText('The name of a run', name)
  if (text !== undefined && lengthOf(text) > LIMITS.runName)
    refuse(`The run name ${quote(text)} has ${lengthOf(text)} characters; at most ${LIMITS.runName} are allowed`)
  return text as T
}

/** Checks the name of an experiment that may be made. */
export const checkNewExperimentName = (name: string): string => checkExperimentName(name, LIMITS.newExperimentName)

/** Checks the name of an experiment. */
export function checkExperimentName(name: string, limit: number = LIMITS.experimentName): string {
  if (typeof name !== 'string' || name.trim() === '') refuse('An experiment name must be a text that is not blank')
  if (lengthOf(name) > limit)
    refuse(`The experiment name ${quote(name)} has ${lengthOf(name)} characters; at most ${limit} are allowed`)
  return checkName('The experiment name', name)
}

/** Checks the name of a registered model: not blank, no `/` and no `:` (a `models:/` URI could not tell them apart). */
export function checkModelName(name: string): string {
  if (typeof name !== 'string' || name.trim() === '') refuse('A registered model name must be a text that is not blank')
  if (/[/:]/.test(name)) refuse(`The registered model name ${quote(name)} must not contain "/" or ":"`)
  return checkName('The registered model name', name)
}

/** Checks the name of a logged model by MLflow's rule: none of `/ : . % " '`. */
export function checkLoggedModelName(name: string): string {
  if (typeof name !== 'string' || name.trim() === '') refuse('A model name must be a text that is not blank')
  const bad = /[/:.%"']/.exec(name)
  if (bad) refuse(`The model name ${quote(name)} must not contain ${bad[0]}; none of / : . % " ' is allowed`)
  return checkName('The model name', name)
}

/** Checks a version number; answers it as the text that goes over the wire. */
export function checkVersion(version: string | number): string {
  const text = typeof version === 'object' ? '' : String(version)
  return /^[1-9]\d{0,15}$/.test(text) ? text : refuse(`${shown(version)} is not a model version: a whole number from 1`)
}

/** Checks an alias by MLflow's rule: letters, digits, `_`, `-`; neither `latest` nor `v<number>`. */
export function checkAlias(alias: string): string {
  if (typeof alias !== 'string' || !/^[\p{L}\p{N}_-]+$/u.test(alias) || lengthOf(alias) > LIMITS.alias)
    refuse(`${shown(alias)} is not an alias: 1 to ${LIMITS.alias} letters, digits, "_" or "-"`)
  if (alias.toLowerCase() === 'latest' || /^v\d+$/i.test(alias))
    refuse(`The alias ${quote(alias)} is reserved: "latest" and "v<number>" already mean something`)
  return alias
}

export const STAGES = ['None', 'Staging', 'Production', 'Archived'] as const
export type Stage = (typeof STAGES)[number]

/** The canonical spelling of a stage; case does not matter. */
export function checkStage(stage: string): Stage {
  const known = STAGES.find((name) => name.toLowerCase() === (typeof stage === 'string' && stage.toLowerCase()))
  return known ?? refuse(`${shown(stage)} is not a stage; the stages are ${STAGES.join(', ')}`)
}

const RUN_STATUSES: readonly RunStatus[] = ['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED']
const END_STATUSES: readonly RunStatus[] = ['FINISHED', 'FAILED', 'KILLED']
const VIEW_TYPES: readonly ViewType[] = ['ACTIVE_ONLY', 'DELETED_ONLY', 'ALL']

function among<T extends string>(what: string, words: readonly string[], word: T): T {
  oneOf(words)(word, what)
  return word
}

/** Checks the status of a run. */
export const checkRunStatus = (status: RunStatus): RunStatus => among('The status of a run', RUN_STATUSES, status)

/** Checks the status that a run ends with. */
export const checkEndStatus = <T extends RunStatus>(status: T): T =>
  among('The status that a run ends with', END_STATUSES, status)

/** Checks which of active and deleted things a search is to find. */
export const checkViewType = (viewType: ViewType): ViewType => among('viewType', VIEW_TYPES, viewType)
