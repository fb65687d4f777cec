import type { WireRegisteredModel } from '../transport/protocol.js'
import type { Job } from './job.js'
import { copied, FIELDS, fingerprint, type Pair, textOf } from './marks.js'
import type { Plans } from './plans.js'

/** The tag of a prompt that says in which experiments it is shown, as `,1,2,`. */
const EXPERIMENTS = '_mlflow_experiment_ids'

/** The tags of a registered model with the experiments' ids at the target; one that is not copied is left out. */
export const placedTags = ({ tags }: WireRegisteredModel, { experiments }: Plans): Pair[] =>
  copied(tags).map(({ key, value }) => {
    if (key !== EXPERIMENTS) return { key, value }
    const ids = value.split(',').flatMap((id) => experiments.get(id) ?? [])
    return { key, value: `,${ids.join(',')},` }
  })

/** The tags with the experiments in which the target shows the prompt already: another copy may have brought those. */
export const shownToo = (tags: readonly Pair[], target: WireRegisteredModel): Pair[] =>
  tags.map(({ key, value }) => {
    const there = key === EXPERIMENTS ? textOf(target.tags, key) : undefined
    if (there === undefined) return { key, value }
    const ids = new Set(`${there},${value}`.split(',').filter((id) => id !== ''))
    return { key, value: `,${[...ids].join(',')},` }
  })

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

/** The tag by which a registered model that is made remembers its fields. */
export const fieldsMark = (of: WireRegisteredModel): Pair => ({ key: FIELDS, value: hashesOf(of, fieldsOf(of)) })

/** Fields that are at the target as they were copied follow the source; what others wrote there stays, and is told. */
export async function copyModelFields(
  job: Job,
  model: WireRegisteredModel,
  target: WireRegisteredModel,
): Promise<number> {
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
