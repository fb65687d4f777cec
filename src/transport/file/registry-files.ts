import { join } from 'node:path'
import { checkKey, checkStage, checkVersion, LIMITS, lengthOf, STAGES } from '../../core/names.js'
import { withLock } from '../../disk/lock.js'
import { listDirs } from '../../disk/walk.js'
import { stateOf, writeAtomic } from '../../disk/write.js'
import { InvalidParameterError, NotFoundError } from '../../errors.js'
import type { WireModelVersion, WireRegisteredModel } from '../protocol.js'
import { type Meta, numberField, textField } from './codec.js'
import { lockFile, type Store } from './layout.js'
import { changeMetaFile } from './meta-file.js'
import { existingModel } from './model-folder.js'
import { metaIfReadable, metaOf } from './model-meta.js'
import { keyFile, readValues } from './values.js'

/** The stage of a deleted version: its folder stays, so that its number is never given again. */
export const DELETED_STAGE = 'Deleted_Internal'

/** A version as it lies on disk; the folder's number counts, not the one in its `meta.yaml`. */
export interface VersionOnDisk {
  readonly number: number
  readonly dir: string
  readonly meta: Meta
}

export const tagsOf = (dir: string): string => join(dir, 'tags')
export const aliasesOf = (model: string): string => join(model, 'aliases')
export const versionFolder = (model: string, number: number): string => join(model, `version-${number}`)

/** Runs a change of the registry while no other process makes one. Readers never wait. */
export const changing = <T>(store: Store, work: () => T): T => withLock(lockFile(store, 'registry'), work)

/** The numbers of all versions a model ever had, deleted and unreadable ones included, ascending. */
export function versionNumbers(model: string): number[] {
  const numbers: number[] = []
  for (const name of listDirs(model, { links: true })) {
    const digits = /^version-([1-9]\d{0,14})$/.exec(name)?.[1]
    if (digits) numbers.push(Number(digits))
  }
  return numbers.sort((a, b) => a - b)
}

/** One version; throws `NotFoundError` when there is none or it was deleted, `IntegrityError` when it cannot be read. */
export function readVersion(store: Store, name: string, version: string | number): VersionOnDisk {
  const number = Number(checkVersion(version))
  const dir = versionFolder(existingModel(store, name), number)
  const meta = stateOf(dir)?.isDirectory ? metaOf(store, dir) : undefined
  if (!meta || meta.current_stage === DELETED_STAGE)
    throw new NotFoundError(`There is no version ${number} of the registered model ${JSON.stringify(name)}`)
  return { number, dir, meta }
}

/** All versions of a model that are there and can be read, ascending. */
export function readVersions(store: Store, model: string): VersionOnDisk[] {
  const versions: VersionOnDisk[] = []
  for (const number of versionNumbers(model)) {
    const dir = versionFolder(model, number)
    const meta = metaIfReadable(store, dir)
    if (meta && meta.current_stage !== DELETED_STAGE) versions.push({ number, dir, meta })
  }
  return versions
}

/** The newest version of each stage, in the order of the stages; of the stages given, or of all. */
export function latestOf(versions: readonly VersionOnDisk[], stages: readonly string[] = []): VersionOnDisk[] {
  const wanted = new Set(stages.length > 0 ? stages.map(checkStage) : STAGES)
  return STAGES.filter((stage) => wanted.has(stage)).flatMap(
    (stage) => versions.findLast(({ meta }) => stageOf(meta) === stage) ?? [],
  )
}

export const stageOf = (meta: Meta): string => textField(meta, 'current_stage') ?? 'None'

/** Every alias of a model with its version, sorted. */
export const readAliases = (model: string): { alias: string; version: string }[] =>
  readValues(aliasesOf(model)).map(({ key, value }) => ({ alias: key, version: value.trim() }))

/** A version as MLflow's REST API shows it. */
export function wireVersion(
  name: string,
  { number, dir, meta }: VersionOnDisk,
  aliases: readonly { alias: string; version: string }[],
): WireModelVersion {
  return {
    name,
    version: String(number),
    creation_timestamp: numberField(meta, 'creation_timestamp'),
    last_updated_timestamp: numberField(meta, 'last_updated_timestamp'),
    user_id: textField(meta, 'user_id'),
    current_stage: stageOf(meta),
    description: textField(meta, 'description'),
    source: textField(meta, 'source'),
    run_id: textField(meta, 'run_id'),
    run_link: textField(meta, 'run_link'),
    status: textField(meta, 'status') ?? 'READY',
    status_message: textField(meta, 'status_message'),
    model_id: textField(meta, 'model_id'),
    tags: readValues(tagsOf(dir)),
    aliases: aliases.filter(({ version }) => version === String(number)).map(({ alias }) => alias),
  }
}

/** A registered model as MLflow's REST API shows it. */
export function wireModel(store: Store, name: string, dir: string): WireRegisteredModel {
  const meta = metaOf(store, dir)
  const aliases = readAliases(dir)
  return {
    name,
    creation_timestamp: numberField(meta, 'creation_timestamp'),
    last_updated_timestamp: numberField(meta, 'last_updated_timestamp'),
    user_id: textField(meta, 'user_id'),
    description: textField(meta, 'description'),
    latest_versions: latestOf(readVersions(store, dir)).map((version) => wireVersion(name, version, aliases)),
    tags: readValues(tagsOf(dir)),
    aliases,
  }
}

/** Notes that a model or something of it changed; its name is set right where a rename was cut short. */
export const touch = (dir: string, name: string, now: number): void =>
  changeMetaFile(dir, { name, last_updated_timestamp: now })

/** Checks tags by the registry's limits before anything is written; a missing value is the empty text. */
export function checkTags(tags: readonly { key: string; value?: string | undefined }[] = []): TagToWrite[] {
  return tags.map(({ key, value = '' }) => {
    checkKey('tag', key)
    if (lengthOf(value) > LIMITS.registryTagValue)
      throw new InvalidParameterError(
        `The tag ${JSON.stringify(key)} has ${lengthOf(value)} characters; at most ${LIMITS.registryTagValue} are allowed in the registry`,
      )
    return { key, value }
  })
}

export interface TagToWrite {
  readonly key: string
  readonly value: string
}

/** Writes tags into a folder that nobody sees yet. */
export function writeTags(dir: string, tags: readonly TagToWrite[]): void {
  for (const { key, value } of tags) writeAtomic(keyFile(tagsOf(dir), 'tag', key), value, { temp: dir })
}
