import { onceFor } from '../core/remembered.js'
import { TAG } from '../core/tags.js'
import { InvalidParameterError, NotFoundError } from '../errors.js'
import type { WireRun } from '../transport/protocol.js'
import { isOfTheStore, type Job } from './job.js'
import type { Plans } from './plans.js'

/** The tags that name other runs. */
export const RUN_ID_TAGS: ReadonlySet<string> = new Set([TAG.parentRunId, TAG.rootRunId])

/** Whether the source has something; what it cannot read, too. */
const isThere = (job: Job, what: 'run' | 'logged model', id: string): Promise<boolean> =>
  (what === 'run'
    ? job.from.transport.call('getRun', { run_id: id }, { signal: job.signal })
    : job.from.transport.call('getLoggedModel', { model_id: id }, { signal: job.signal })
  ).then(
    () => true,
    (error: unknown) => {
      if (isOfTheStore(error)) throw error
      return !(error instanceof NotFoundError || error instanceof InvalidParameterError)
    },
  )

/** Many runs name the same parent: each is looked for once in a copy. */
const asked = new WeakMap<Job, Map<string, Promise<boolean>>>()

/** The runs and models that a run names and that are in the source alone; each is told of. */
export async function lackingOf(job: Job, { runs, models }: Plans, run: WireRun): Promise<string[]> {
  const named = [
    ...run.data.tags.flatMap(({ key, value }) => (RUN_ID_TAGS.has(key) ? [['run', value] as const] : [])),
    ...[...(run.inputs?.model_inputs ?? []), ...(run.outputs?.model_outputs ?? [])]
      .filter(({ model_id }) => !models.has(model_id))
      .map(({ model_id }) => ['logged model', model_id] as const),
  ]
  const lacking: string[] = []
  const seen = onceFor(asked, job, () => new Map())
  for (const [what, id] of new Map(named.map((one) => [one[1], one])).values()) {
    const isLacking = async () => {
      const plan = what === 'run' ? runs : models
      const at = await plan.idAt(id).catch((error: unknown) => {
        // What keeps one of those copied from being made is told of that one.
        if (isOfTheStore(error) && !plan.has(id)) throw error
      })
      return at === undefined && isThere(job, what, id)
    }
    if (!(await onceFor(seen, id, isLacking))) continue
    lacking.push(id)
    job.keep(`The ${what} ${id} is not copied, so that runs which name it do without; copy it, and then them again`)
  }
  job.signal?.throwIfAborted()
  return lacking
}
