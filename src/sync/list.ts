import { byName } from '../core/filter/by-name.js'
import { PROMPT_TAG } from '../core/prompt.js'
import { InvalidParameterError, isUnknown } from '../errors.js'
import { allPages } from '../transport/pages.js'
import type {
  WireExperiment,
  WireLoggedModel,
  WireModelVersion,
  WireRegisteredModel,
  WireRun,
} from '../transport/protocol.js'
import type { CallOptions } from '../transport/transport.js'
import { textOf } from './marks.js'
import type { Side } from './side.js'

const PAGE = 1000
/** MLflow's servers give no more logged models, and no more registered ones, in a page. */
const SMALL_PAGE = 100

/** Experiments that are not deleted, or only those that are. */
export const experimentsOf = (
  { transport }: Side,
  { deleted = false, ...options }: CallOptions & { deleted?: boolean },
): AsyncGenerator<WireExperiment> =>
  allPages(async (page_token) => {
    const view_type = deleted ? ('DELETED_ONLY' as const) : ('ACTIVE_ONLY' as const)
    const input = { max_results: PAGE, page_token, view_type }
    const found = await transport.call('searchExperiments', input, options)
    return { items: found.experiments, nextPageToken: found.next_page_token }
  })

/** Runs of an experiment, oldest first. */
export const runsOf = (
  { transport }: Side,
  experimentId: string,
  { deleted, filter, ...options }: CallOptions & { deleted: boolean; filter?: string },
): AsyncGenerator<WireRun> =>
  allPages(async (page_token) => {
    const input = {
      experiment_ids: [experimentId],
      max_results: PAGE,
      page_token,
      order_by: ['attributes.start_time ASC'],
      run_view_type: deleted ? ('ALL' as const) : ('ACTIVE_ONLY' as const),
      ...(filter === undefined ? {} : { filter }),
    }
    const found = await transport.call('searchRuns', input, options)
    return { items: found.runs, nextPageToken: found.next_page_token }
  })

/** Logged models of an experiment; a server of MLflow 2 has none. */
export async function loggedModelsOf(
  { transport }: Side,
  experimentId: string,
  options: CallOptions,
): Promise<WireLoggedModel[]> {
  const found: WireLoggedModel[] = []
  try {
    for await (const model of allPages(async (page_token) => {
      const input = { experiment_ids: [experimentId], max_results: SMALL_PAGE, page_token }
      const page = await transport.call('searchLoggedModels', input, options)
      return { items: page.models, nextPageToken: page.next_page_token }
    }))
      found.push(model)
  } catch (error) {
    if (!isUnknown(error)) throw error
  }
  return found
}

const IS_PROMPT = `tags.\`${PROMPT_TAG}\` = 'true'`

/** Registered models, by name, and then prompts, which a search leaves out unless it asks for them. */
export async function registeredModelsOf({ transport }: Side, options: CallOptions): Promise<WireRegisteredModel[]> {
  const found = new Map<string, WireRegisteredModel>()
  const search = async (filter?: string): Promise<void> => {
    for await (const model of allPages(async (page_token) => {
      const input = { max_results: SMALL_PAGE, page_token, ...(filter === undefined ? {} : { filter }) }
      const page = await transport.call('searchRegisteredModels', input, options)
      return { items: page.registered_models, nextPageToken: page.next_page_token }
    }))
      found.set(model.name, model)
  }
  await search()
  await search(IS_PROMPT).catch((error: unknown) => {
    // Of a server that cannot search by tags, and knows no prompts here.
    if (!(error instanceof InvalidParameterError)) throw error
  })
  return [...found.values()]
}

/** Whether a registered model is a prompt. */
export const isPrompt = ({ tags }: WireRegisteredModel): boolean => textOf(tags, PROMPT_TAG)?.toLowerCase() === 'true'

/** Versions of a registered model, in the order of their numbers; those of a prompt are found only by saying so. */
export async function versionsOf(
  side: Side,
  model: WireRegisteredModel,
  options: CallOptions,
): Promise<WireModelVersion[]> {
  const { name } = model
  const clauses = [byName(name), isPrompt(model) ? IS_PROMPT : undefined].filter((one) => one !== undefined)
  const filter = clauses.length === 0 ? undefined : clauses.join(' AND ')
  const found: WireModelVersion[] = []
  // Some servers compare names without regard to case.
  for await (const version of allPages(async (page_token) => {
    const page = await side.transport.call('searchModelVersions', { filter, max_results: PAGE, page_token }, options)
    return { items: page.model_versions, nextPageToken: page.next_page_token }
  }))
    if (version.name === name) found.push(version)
  return found.sort((a, b) => Number(a.version) - Number(b.version))
}
