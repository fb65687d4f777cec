import { AlreadyExistsError, absent } from '../errors.js'
import type { WireRegisteredModel } from '../transport/protocol.js'
import { copyVersion, isReady, stateOf, type VersionCopy, versionAt } from './copy-version.js'
import type { Job } from './job.js'
import { isPrompt, versionsOf } from './list.js'
import { copied, fingerprint, STATE, textOf } from './marks.js'
import type { Plans } from './plans.js'
import { copyModelFields, fieldsMark, placedTags, shownToo } from './registered-fields.js'
import { tellUnreadable } from './unreadable.js'
import { comesFrom } from './version-source.js'

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
  const copies: VersionCopy[] = []
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

/** A target gives its own numbers, so that what was deleted leaves no gap there. */
function tellNumbers(job: Job, name: string, copies: readonly VersionCopy[]): void {
  const others = copies.filter(({ from, to, fresh }) => fresh && from.version !== to.version)
  // A rehearsal gives none.
  if (others.length === 0 || job.options.dryRun) return
  const all = others.map(
    ({ from, to }) => `version ${from.version} of ${JSON.stringify(name)} is version ${to.version}`,
  )
  job.keep(`Versions are numbered anew: ${all.join(', ')} there`)
}

async function targetOf(job: Job, of: WireRegisteredModel): Promise<{ model: WireRegisteredModel; fresh: boolean }> {
  const call = { signal: job.signal }
  const { name, description, tags } = of
  const found = await job.to.transport.call('getRegisteredModel', { name }, call).catch(absent)
  if (found) return { model: found.registered_model, fresh: false }
  const input = { name, tags: [...copied(tags), fieldsMark(of)], ...(description ? { description } : {}) }
  return { model: (await job.to.transport.call('createRegisteredModel', input, call)).registered_model, fresh: true }
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
