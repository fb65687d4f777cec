import { checkServedPath } from '../artifacts/paths.js'
import type { ArtifactStore } from '../artifacts/store.js'
import { NotFoundError } from '../errors.js'
import { repeats } from '../transport/repeats.js'
import type { Input, Operation, Output, Transport } from '../transport/transport.js'
import type { Side } from './side.js'

/** What begins ids and places that a rehearsal makes up. */
const MADE_UP = 'rehearsal'

/** Whether an id or a place is made up by a rehearsal. */
export const isMadeUp = (id: string): boolean => /^rehearsal(?:-\d+$|:|$)/.test(id)

type Answers = { readonly [O in Operation]?: (input: Input<O>, id: string) => Output<O> }

/** What a server answers when something was made. */
const answers: Answers = {
  createExperiment: (_, id) => ({ experiment_id: id }),
  createRun: ({ experiment_id, run_name, start_time, tags = [] }, id) => ({
    run: {
      info: {
        run_id: id,
        experiment_id,
        status: 'RUNNING',
        lifecycle_stage: 'active',
        artifact_uri: `${MADE_UP}:/${id}`,
        ...(run_name === undefined ? {} : { run_name }),
        ...(start_time === undefined ? {} : { start_time: Number(start_time) }),
      },
      data: { metrics: [], params: [], tags: tags.map(({ key, value = '' }) => ({ key, value })) },
    },
  }),
  createLoggedModel: ({ experiment_id, name = '' }, id) => ({
    model: {
      info: {
        model_id: id,
        experiment_id,
        name,
        status: 'LOGGED_MODEL_PENDING',
        artifact_uri: `${MADE_UP}:/${id}`,
        tags: [],
      },
      data: { params: [], metrics: [] },
    },
  }),
  createRegisteredModel: ({ name }) => ({ registered_model: { name, latest_versions: [], tags: [], aliases: [] } }),
  createModelVersion: ({ name, description }, id) => ({
    model_version: {
      name,
      version: id.slice(MADE_UP.length + 1),
      current_stage: 'None',
      status: 'READY',
      tags: [],
      aliases: [],
      ...(description === undefined ? {} : { description }),
    },
  }),
}

const newDefault = { experiment_id: MADE_UP, name: 'Default', lifecycle_stage: 'active', tags: [] }

const nowhere: ArtifactStore = {
  list: async () => [],
  read: async (path) => {
    throw new NotFoundError(`There is no artifact ${JSON.stringify(path)}`)
  },
  write: async () => {},
  remove: async () => {},
}

/** The same target for reading; what is written to it is taken and forgotten. `empty` says that nothing is there to read. */
export function rehearsal(side: Side, empty: boolean): Side {
  let made = 0

  async function call<O extends Operation>(operation: O, input: Input<O>, options = {}): Promise<Output<O>> {
    if (repeats[operation] !== 'reads') {
      made++
      return answers[operation]?.(input, `${MADE_UP}-${made}`) ?? ({} as Output<O>)
    }
    const { experiment_ids: ids } = input as { experiment_ids?: readonly string[] }
    if (!empty && !ids?.some(isMadeUp)) return side.transport.call(operation, input, options)
    const nothing = { experiments: [], runs: [], models: [], registered_models: [], model_versions: [] }
    if (operation.startsWith('search')) return nothing as unknown as Output<O>
    // The one thing that a new store has.
    if (empty && (input as { experiment_name?: string }).experiment_name === 'Default')
      return { experiment: newDefault } as unknown as Output<O>
    throw new NotFoundError(`${side.uri} is not there yet`)
  }

  const transport: Transport = { call, close: () => side.transport.close() }
  return {
    ...side,
    transport,
    openArtifacts: async (uri) =>
      isMadeUp(uri)
        ? { ...nowhere, ...(side.local ? {} : { checkWritable: checkServedPath }) }
        : { ...(await side.openArtifacts(uri)), write: nowhere.write, remove: nowhere.remove },
  }
}
