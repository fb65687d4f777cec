import { modelIdOf } from '../core/model-uri.js'
import { PROMPT_SOURCE } from '../core/prompt.js'
import { AlreadyExistsError, absent } from '../errors.js'
import type { WireModelVersion, WireRegisteredModel } from '../transport/protocol.js'
import type { Job } from './job.js'
import { isPrompt, versionsOf } from './list.js'
import { createdTag, type Plans } from './logged-models.js'
import { copied, differing, FIELDS, fingerprint, identityOf, type Pair, SOURCE, STATE, textOf } from './marks.js'
import { tellUnreadable } from './unreadable.js'
import { comesFrom, sourceAt } from './version-source.js'

/** A version of the source, and its copy. */
interface Copy {
  readonly from: WireModelVersion
  readonly to: WireModelVersion
  readonly fresh: boolean
}

/** Copies a registered model: versions in their order, their stages, tags and histories, aliases. */
export async function copyRegisteredModel(job: Job, { name }: WireRegisteredModel, plans: Plans): Promise<void> {
  const call = { signal: job.signal }
  const { registered_model: model } = await job.from.transport.call('getRegisteredModel', { name }, call)
  const limited = job.options.experimentNames !== undefined || job.options.runIds !== undefined
  const all = await versionsOf(job.from, model, call)
  const number = (folder: string) => folder.replace(/^version-/, '')
  if (!limited)
    await tellUnreadable(job, {
      what: 'model version',
      at: ['models', name],
      listed: new Set(all.map(({ version }) => `version-${version}`)),
      read: (folder) => job.from.transport.call('getModelVersion', { name, version: number(folder) }, call),
      id: (folder) => `${name}/${number(folder)}`,
    })
  const versions = all.filter((version) => isReady(version) && (!limited || comesFrom(version, plans)))
  if (limited && versions.length === 0) return
  const aliases = model.aliases.filter(({ version }) => versions.some((one) => one.version === version))
  const stateOfAll = fingerprint([model.description, copied(model.tags), aliases, versions.map(stateOf)])

  const tags = placedTags(model, plans)
  const { model: target, fresh } = await targetOf(job, { ...model, tags })
  if (!fresh && isPrompt(model) !== isPrompt(target))
    throw new AlreadyExistsError(
      `${JSON.stringify(name)} is a ${isPrompt(model) ? 'prompt' : 'model'} here and a ${isPrompt(target) ? 'prompt' : 'model'} at the target; rename one of them`,
    )
  if (textOf(target.tags, STATE) === stateOfAll) {
    for (const _ of versions) job.count('modelVersions', 'same')
    return job.count('registeredModels', 'same')
  }
  const others = fresh ? [] : await versionsOf(job.to, { ...target, tags }, call)
  const copies: Copy[] = []
  for (const version of versions)
    await job.guard('model version', `${name}/${version.version}`, async () => {
      copies.push(await versionAt(job, version, isPrompt(model) ? 'a prompt' : plans, others))
    })
  tellNumbers(job, name, copies)
  const numbers = new Map(copies.map(({ from, to }) => [from.version, to.version]))
  let whole = copies.length === versions.length
  for (const copy of copies) {
    let done = false
    await job.guard('model version', `${name}/${copy.from.version}`, async () => {
      await copyVersion(job, copy, { numbers, others })
      done = true
    })
    whole &&= done
  }
  let changes = fresh ? 0 : await copyModelFields(job, { ...model, tags: shownToo(tags, target) }, target)
  changes += await copyAliases(job, { name, aliases, numbers, target })
  if (whole) await job.to.transport.call('setRegisteredModelTag', { name, key: STATE, value: stateOfAll }, call)
  job.count('registeredModels', fresh ? 'added' : changes > 0 ? 'changed' : 'same')
}

/** The tag of a prompt that says in which experiments it is shown, as `,1,2,`. */
const EXPERIMENTS = '_mlflow_experiment_ids'

/** The tags of a registered model with the experiments' ids at the target; one that is not copied is left out. */
const placedTags = ({ tags }: WireRegisteredModel, { experiments }: Plans): Pair[] =>
  copied(tags).map(({ key, value }) => {
    if (key !== EXPERIMENTS) return { key, value }
    const ids = value.split(',').flatMap((id) => experiments.get(id) ?? [])
    return { key, value: `,${ids.join(',')},` }
  })

/** The tags with the experiments in which the target shows the prompt already: another copy may have brought those. */
const shownToo = (tags: readonly Pair[], target: WireRegisteredModel): Pair[] =>
  tags.map(({ key, value }) => {
    const there = key === EXPERIMENTS ? textOf(target.tags, key) : undefined
    if (there === undefined) return { key, value }
    const ids = new Set(`${there},${value}`.split(',').filter((id) => id !== ''))
    return { key, value: `,${[...ids].join(',')},` }
  })

/** A target gives its own numbers, so that what was deleted leaves no gap there. */
function tellNumbers(job: Job, name: string, copies: readonly Copy[]): void {
  const others = copies.filter(({ from, to, fresh }) => fresh && from.version !== to.version)
  // A rehearsal gives none.
  if (others.length === 0 || job.options.dryRun) return
  const all = others.map(
    ({ from, to }) => `version ${from.version} of ${JSON.stringify(name)} is version ${to.version}`,
  )
  job.keep(`Versions are numbered anew: ${all.join(', ')} there`)
}

/** A version that failed to be registered, or is still being, is nothing to copy. */
const isReady = ({ status }: WireModelVersion): boolean => status === 'READY' || status === ''

const stateOf = ({ version, current_stage, description, tags }: WireModelVersion): string =>
  fingerprint([version, current_stage, description ?? '', copied(tags)])

/** What a version is in all stores: numbers are given anew in each, and two stores may have made the same one. */
const versionIdentity = (of: WireModelVersion): string =>
  identityOf([of.version, of.creation_timestamp ?? 0, modelIdOf(of) ?? (of.run_id || '')].join('-'), of.tags)

async function targetOf(job: Job, of: WireRegisteredModel): Promise<{ model: WireRegisteredModel; fresh: boolean }> {
  const call = { signal: job.signal }
  const { name, description, tags } = of
  const found = await job.to.transport.call('getRegisteredModel', { name }, call).catch(absent)
  if (found) return { model: found.registered_model, fresh: false }
  const mark = { key: FIELDS, value: hashesOf(of, fieldsOf({ description, tags })) }
  const input = { name, tags: [...copied(tags), mark], ...(description ? { description } : {}) }
  return { model: (await job.to.transport.call('createRegisteredModel', input, call)).registered_model, fresh: true }
}

async function versionAt(
  job: Job,
  version: WireModelVersion,
  plans: Plans | 'a prompt',
  others: readonly WireModelVersion[],
): Promise<Copy> {
  const identity = versionIdentity(version)
  const there = others.find((other) => versionIdentity(other) === identity)
  if (there) return { from: version, to: there, fresh: false }
  const { name, description, run_link } = version
  const input = {
    name,
    ...(plans === 'a prompt' ? { source: PROMPT_SOURCE } : await sourceAt(job, version, plans)),
    ...(description ? { description } : {}),
    ...(run_link ? { run_link } : {}),
    tags: [
      { key: SOURCE, value: identity },
      ...createdTag(version.creation_timestamp, version.tags),
      // By these a server knows what it is asked to make.
      ...(plans === 'a prompt' ? copied(version.tags) : []),
    ],
  }
  const { model_version: to } = await job.to.transport.call('createModelVersion', input, { signal: job.signal })
  return { from: version, to, fresh: true }
}

interface Neighbours {
  /** Versions in the source → versions at the target. */
  readonly numbers: ReadonlyMap<string, string>
  /** What was at the target before. */
  readonly others: readonly WireModelVersion[]
}

async function copyVersion(job: Job, { from, to, fresh }: Copy, { numbers, others }: Neighbours): Promise<void> {
  const state = stateOf(from)
  // What people did at the target since then stays, as long as nothing happened in the source.
  if (textOf(to.tags, STATE) === state) return job.count('modelVersions', 'same')
  const { transport } = job.to
  const call = { signal: job.signal }
  const { name, version } = to
  const tags = differing(
    copied(from.tags).map((tag) => withNumbers(tag, numbers)),
    to.tags,
  )
  for (const tag of tags) await transport.call('setModelVersionTag', { name, version, ...tag }, call)
  const described = (from.description ?? '') === (to.description ?? '')
  if (!described)
    await transport.call('updateModelVersion', { name, version, description: from.description ?? '' }, call)
  const moved = from.current_stage !== to.current_stage && stageIsFree(job, from, { numbers, others })
  if (moved)
    await transport.call(
      'transitionModelVersionStage',
      { name, version, stage: from.current_stage, archive_existing_versions: false },
      call,
    )
  await transport.call('setModelVersionTag', { name, version, key: STATE, value: state }, call)
  job.count('modelVersions', fresh ? 'added' : tags.length > 0 || !described || moved ? 'changed' : 'same')
}

/** Whether a stage is held by no version but those of this source: what serves elsewhere is not replaced by a copy. */
function stageIsFree(job: Job, { name, version, current_stage: stage }: WireModelVersion, near: Neighbours): boolean {
  if (stage !== 'Staging' && stage !== 'Production') return true
  const own = new Set(near.numbers.values())
  const holder = near.others.find((other) => other.current_stage === stage && !own.has(other.version))
  if (!holder) return true
  job.keep(
    `Version ${near.numbers.get(version)} of ${JSON.stringify(name)} was not put in ${stage}: version ${holder.version}, which is not of this source, holds it`,
  )
  return false
}

/** The history of an alias names versions by their numbers, which are others at the target. */
function withNumbers(tag: Pair, numbers: ReadonlyMap<string, string>): Pair {
  if (!/^cairn\.stage\./.test(tag.key)) return tag
  try {
    const note = JSON.parse(tag.value) as Record<string, unknown>
    if (typeof note.alias !== 'string') return tag
    const renamed = (of: unknown) => (typeof of === 'string' ? (numbers.get(of) ?? of) : of)
    return { key: tag.key, value: JSON.stringify({ ...note, from: renamed(note.from), to: renamed(note.to) }) }
  } catch {
    return tag
  }
}

const MOST_FIELDS = 500

/** Description and tags as pairs; the description is the one without a key. */
const fieldsOf = ({ description, tags }: Pick<WireRegisteredModel, 'description' | 'tags'>): Pair[] => [
  { key: '', value: description ?? '' },
  ...copied(tags),
]

const hashOf = ({ key, value }: Pair): string => fingerprint(`${key}\n${value}`).slice(0, 8)
/** What remembers fields as they were copied, within what a tag holds. */
const hashesOf = (of: WireRegisteredModel, fields: readonly Pair[]): string =>
  [originOf(of), ...fields.slice(0, MOST_FIELDS).map(hashOf)].join(' ')
/** Two stores may each have made a model of this name: a copy follows the one it was made of. */
const originOf = ({ creation_timestamp }: WireRegisteredModel): string =>
  fingerprint(creation_timestamp ?? 0).slice(0, 8)

/** Fields that are at the target as they were copied follow the source; what others wrote there stays, and is told. */
async function copyModelFields(job: Job, model: WireRegisteredModel, target: WireRegisteredModel): Promise<number> {
  const { transport } = job.to
  const call = { signal: job.signal }
  const { name } = model
  const [origin, ...hashes] = textOf(target.tags, FIELDS)?.split(' ') ?? []
  const isOurs = origin === undefined || origin === originOf(model)
  const before = new Set(isOurs ? hashes : [])
  const there = new Map(fieldsOf(target).map(({ key, value }) => [key, value]))
  const asCopied: Pair[] = []
  let changes = 0
  for (const field of fieldsOf(model)) {
    const { key, value } = field
    const old = there.get(key)
    const follows = key === EXPERIMENTS || !old || before.has(hashOf({ key, value: old }))
    if (old === value || follows) asCopied.push(field)
    else if (value !== '')
      job.keep(
        `The ${key === '' ? 'description' : `tag ${JSON.stringify(key)}`} of ${JSON.stringify(name)} differs at the target and stays`,
      )
    if (old === value || !follows) continue
    changes++
    if (key === '') await transport.call('updateRegisteredModel', { name, description: value }, call)
    else await transport.call('setRegisteredModelTag', { name, key, value }, call)
  }
  const now = hashesOf(model, asCopied)
  if (isOurs && textOf(target.tags, FIELDS) !== now)
    await transport.call('setRegisteredModelTag', { name, key: FIELDS, value: now }, call)
  return changes
}

interface Aliases {
  readonly name: string
  readonly aliases: WireRegisteredModel['aliases']
  readonly numbers: ReadonlyMap<string, string>
  readonly target: WireRegisteredModel
}

async function copyAliases(job: Job, { name, aliases, numbers, target }: Aliases): Promise<number> {
  const own = new Set(numbers.values())
  let changes = 0
  for (const { alias, version: from } of aliases) {
    const version = numbers.get(from)
    const holder = target.aliases.find((other) => other.alias === alias)?.version
    if (version === undefined || holder === version) continue
    if (holder !== undefined && !own.has(holder))
      job.keep(
        `The alias ${alias} of ${JSON.stringify(name)} was not moved to version ${version}: version ${holder}, which is not of this source, has it`,
      )
    else {
      await job.to.transport.call('setRegisteredModelAlias', { name, alias, version }, { signal: job.signal })
      changes++
    }
  }
  return changes
}
