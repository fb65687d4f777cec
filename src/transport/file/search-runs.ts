import { matches, type Subject } from '../../core/filter/matches.js'
import { parseFilter } from '../../core/filter/parse.js'
import { drawSorted, type OrderKey, parseOrderBy, type SortRow, sortRow } from '../../core/order.js'
import { page, pageEnd, pageSize } from '../../core/page.js'
import type { Input, Output, WireRunInfo } from '../protocol.js'
import { contextOf, readInputs } from './datasets.js'
import type { HandlersOf } from './handlers.js'
import { findExperimentDir, listRunIds, type Store } from './layout.js'
import { latestMetric } from './metrics.js'
import { ifReadable } from './readable.js'
import { runInfoIfReadable } from './run-meta.js'
import { readRun } from './runs.js'
import { readValue } from './values.js'

/** A folder that may be a run. */
interface Candidate {
  readonly dir: string
  /** Read when first asked for; undefined for what is no run, cannot be read, or is in another stage than is wanted. */
  info(): WireRunInfo | undefined
}

function candidate(store: Store, dir: string, stage: string | undefined): Candidate {
  let info: WireRunInfo | undefined
  let known = false
  return {
    dir,
    info() {
      if (known) return info
      known = true
      info = runInfoIfReadable(store, dir)
      if (stage !== undefined && info?.lifecycle_stage !== stage) info = undefined
      return info
    },
  }
}

const ATTRIBUTES = new Set(['run_id', 'run_name', 'user_id', 'status', 'artifact_uri', 'start_time', 'end_time'])

/** A run as filter and order see it: each thing is read when it is asked for. */
function subject(store: Store, { dir, info }: Candidate): Subject {
  return {
    attribute: (key) => (ATTRIBUTES.has(key) ? info()?.[key as 'run_id' | 'start_time'] : undefined),
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
const PAUSE_MS = 5

/** Lets others have their turn; in the background, until no search is under way that somebody waits for. */
async function breathe({ searches }: Store, background: boolean): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
  while (background && searches.awaited > 0) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS).unref())
}

/**
 * What fits of the experiments' runs, with the values of the first sort keys; unknown experiments have none. Where those
 * are attributes the others are known to be runs, else that is left to who draws them: most are never drawn.
 */
async function fitting(
  store: Store,
  input: Input<'searchRuns'>,
  fits: (subject: Subject) => boolean,
  first: readonly OrderKey[],
  pause: () => Promise<void>,
): Promise<SortRow<Candidate>[]> {
  const stage = STAGES[input.run_view_type ?? 'ACTIVE_ONLY']
  const found: SortRow<Candidate>[] = []
  let seen = 0
  for (const id of new Set(input.experiment_ids)) {
    const experiment = findExperimentDir(store, id)
    if (experiment === undefined) continue
    for (const runId of listRunIds(store, experiment)) {
      if (++seen % STRETCH === 0) await pause()
      const run = candidate(store, `${experiment}/${runId}`, stage)
      const look = subject(store, run)
      const row = ifReadable(store, () =>
        fits(look) && (first.length > 0 || run.info()) ? sortRow(run, look, first) : undefined,
      )
      if (row) found.push(row)
    }
  }
  return found
}

/** The sort keys before the first attribute: those alone need no `meta.yaml`. */
function leading(order: readonly OrderKey[]): readonly OrderKey[] {
  const attribute = order.findIndex(({ entity }) => entity === 'attribute')
  return attribute < 0 ? order : order.slice(0, attribute)
}

async function search(
  store: Store,
  input: Input<'searchRuns'>,
  pause: () => Promise<void>,
): Promise<Output<'searchRuns'>> {
  const fits = matches(parseFilter(input.filter, 'runs'))
  const order = parseOrderBy(input.order_by, 'runs')
  const size = pageSize('runs', input.max_results)
  const end = pageEnd(size, input.page_token)
  const rows = await fitting(store, input, fits, leading(order), pause)
  const sorted: Candidate[] = []
  for (const run of drawSorted(
    rows,
    (one) => subject(store, one),
    order,
    (one) => one.info() !== undefined,
    end,
  )) {
    sorted.push(run)
    if (sorted.length % STRETCH === 0) await pause()
  }
  const { items, ...rest } = page(sorted, size, input.page_token)
  const runs: Output<'searchRuns'>['runs'] = []
  for (const { dir } of items) {
    // One that others remove or spoil meanwhile is left out.
    const run = ifReadable(store, () => readRun(store, dir))
    if (run) runs.push(run)
    if (runs.length % STRETCH === 0) await pause()
  }
  return { runs, ...rest }
}

/** The search over runs: the filter reads only what it names, whole runs are read for the page alone. */
export const runSearch = (store: Store): HandlersOf<'searchRuns'> => ({
  async searchRuns(input, { background = false, signal } = {}) {
    const pause = async (): Promise<void> => {
      await breathe(store, background)
      signal?.throwIfAborted()
    }
    if (background) return search(store, input, pause)
    store.searches.awaited++
    try {
      return await search(store, input, pause)
    } finally {
      store.searches.awaited--
    }
  },
})
