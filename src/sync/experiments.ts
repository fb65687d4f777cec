import { absent, InvalidParameterError } from '../errors.js'
import type { WireExperiment } from '../transport/protocol.js'
import type { Job } from './job.js'
import { copied } from './marks.js'

/** The id of the experiment of the same name at the target, made when it is absent; tags it lacks are added. */
export async function copyExperiment(job: Job, { name, tags }: WireExperiment): Promise<string> {
  const { transport } = job.to
  const call = { signal: job.signal }
  const there = await find(job, name)
  if (!there) {
    const { experiment_id: id } = await transport.call('createExperiment', { name, tags: copied(tags) }, call)
    job.count('experiments', 'added')
    return id
  }
  const id = there.experiment_id
  if (there.lifecycle_stage !== 'active')
    throw new InvalidParameterError(
      `The experiment ${JSON.stringify(name)} is deleted at ${job.to.uri}; restore it there (id ${id}) or rename it`,
    )
  // An experiment is many people's place: what they wrote there stays.
  const known = new Set(there.tags.map(({ key }) => key))
  const lacking = copied(tags).filter(({ key }) => !known.has(key))
  for (const tag of lacking) await transport.call('setExperimentTag', { experiment_id: id, ...tag }, call)
  job.count('experiments', lacking.length > 0 ? 'changed' : 'same')
  return id
}

async function find(job: Job, name: string): Promise<WireExperiment | undefined> {
  const input = { experiment_name: name }
  return (await job.to.transport.call('getExperimentByName', input, { signal: job.signal }).catch(absent))?.experiment
}
