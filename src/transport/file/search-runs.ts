import { matches, type Subject } from '../../core/filter/matches.js'
import { parseFilter } from '../../core/filter/parse.js'
import { parseOrderBy, sortBy } from '../../core/order.js'
import { page, pageSize } from '../../core/page.js'
import type { Input, Output, WireRunInfo } from '../protocol.js'
import { contextOf, readInputs } from './datasets.js'
import type { HandlersOf } from './handlers.js'
import { findExperimentDir, type Store } from './layout.js'
import { latestMetric } from './metrics.js'
import { listRunsIn } from './run-meta.js'
import { readRun } from './runs.js'
import { readValue } from './values.js'

interface Found {
  readonly dir: string
  readonly info: WireRunInfo
}

/** A run as filter and order see it: each thing is read when it is asked for. */
function subject(store: Store, { dir, info }: Found): Subject {
  const attributes: Readonly<Record<string, string | number | undefined>> = {
    run_id: info.run_id,
    run_name: info.run_name,
    user_id: info.user_id,
    status: info.status,
    artifact_uri: info.artifact_uri,
    start_time: info.start_time,
    end_time: info.end_time,
  }
  return {
    attribute: (key) => attributes[key],
    metric: (key) => latestMetric(store, dir, key)?.value,
    param: (key) => readValue(`${dir}/params`, key, store.memo),
    tag: (key) => readValue(`${dir}/tags`, key, store.memo),
    datasets: () =>
      readInputs(store, dir).dataset_inputs.map((input) => ({
        name: input.dataset.name,
        digest: input.dataset.digest,
        context: contextOf(input),
      })),
  }
}

const STAGES = { ACTIVE_ONLY: 'active', DELETED_ONLY: 'deleted', ALL: undefined } as const
/** Runs looked at before others get their turn: some ten milliseconds. */
const STRETCH = 500

const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** The runs of the experiments that fit; unknown experiments have none. */
async function fitting(
  store: Store,
  input: Input<'searchRuns'>,
  fits: (subject: Subject) => boolean,
): Promise<Found[]> {
  const stage = STAGES[input.run_view_type ?? 'ACTIVE_ONLY']
  const found: Found[] = []
  let seen = 0
  for (const id of new Set(input.experiment_ids)) {
    const experiment = findExperimentDir(store, id)
    if (experiment === undefined) continue
    for (const run of listRunsIn(store, experiment)) {
      if (++seen % STRETCH === 0) await breathe()
      if (stage !== undefined && run.info.lifecycle_stage !== stage) continue
      if (fits(subject(store, run))) found.push(run)
    }
  }
  return found
}

async function search(store: Store, input: Input<'searchRuns'>): Promise<Output<'searchRuns'>> {
  const fits = matches(parseFilter(input.filter, 'runs'))
  const order = parseOrderBy(input.order_by, 'runs')
  const size = pageSize('runs', input.max_results)
  page([], size, input.page_token)
  const found = await fitting(store, input, fits)
  const sorted = sortBy(found, (run) => subject(store, run), order)
  const { items, ...rest } = page(sorted, size, input.page_token)
  const runs: Output<'searchRuns'>['runs'] = []
  for (const { dir } of items) {
    runs.push(readRun(store, dir))
    if (runs.length % STRETCH === 0) await breathe()
  }
  return { runs, ...rest }
}

/** The search over runs: the filter reads only what it names, whole runs are read for the page alone. */
export const runSearch = (store: Store): HandlersOf<'searchRuns'> => ({
  async searchRuns(input) {
    return search(store, input)
  },
})
