import { modelIdOf } from '../core/model-uri.js'
import { PROMPT_SOURCE } from '../core/prompt.js'
import type { WireModelVersion } from '../transport/protocol.js'
import type { Job } from './job.js'
import { copied, createdTag, differing, fingerprint, identityOf, type Pair, SOURCE, STATE, textOf } from './marks.js'
import type { Plans } from './plans.js'
import { sourceAt } from './version-source.js'

/** A version of the source, and its copy. */
export interface VersionCopy {
  readonly from: WireModelVersion
  readonly to: WireModelVersion
  readonly fresh: boolean
}

/** A version that failed to be registered, or is still being, is nothing to copy. */
export const isReady = ({ status }: WireModelVersion): boolean => status === 'READY' || status === ''

/** What changes when anything about a version does. */
export const stateOf = ({ version, current_stage, description, tags }: WireModelVersion): string =>
  fingerprint([version, current_stage, description ?? '', copied(tags)])

/** What a version is in all stores: numbers are given anew in each, and two stores may have made the same one. */
const versionIdentity = (of: WireModelVersion): string =>
  identityOf([of.version, of.creation_timestamp ?? 0, modelIdOf(of) ?? (of.run_id || '')].join('-'), of.tags)

/** Finds the copy of a version among those at the target, or makes it. */
export async function versionAt(
  job: Job,
  version: WireModelVersion,
  plans: Plans | 'a prompt',
  others: readonly WireModelVersion[],
): Promise<VersionCopy> {
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

/** What else there is of a version's model. */
export interface Neighbours {
  /** Versions in the source → versions at the target. */
  readonly numbers: ReadonlyMap<string, string>
  /** What was at the target before. */
  readonly others: readonly WireModelVersion[]
}

/** Brings a copy to the tags, description and stage of its original. */
export async function copyVersion(
  job: Job,
  { from, to, fresh }: VersionCopy,
  { numbers, others }: Neighbours,
): Promise<void> {
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
