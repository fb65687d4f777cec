import type { Transport } from '../transport/transport.js'

const MOST = 50
const PAUSE_MS = 10

/** Has a local store look through its runs once while nobody asks yet: what it then knows makes the first table quick. */
export async function lookAhead(store: Pick<Transport, 'call'>): Promise<void> {
  const latest = { max_results: MOST, order_by: ['last_update_time DESC'] }
  try {
    const { experiments } = await store.call('searchExperiments', latest)
    // What nobody has is looked for in each run's own record, which is what takes long where there are many; long
    // histories come after.
    const experiment_ids = experiments.map(({ experiment_id }) => experiment_id)
    await store.call('searchRuns', { experiment_ids, filter: "attributes.run_id = ''" }, { background: true })
    for (const experiment_id of experiment_ids) {
      await store.call('searchRuns', { experiment_ids: [experiment_id], max_results: 100 }, { background: true })
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS).unref())
    }
  } catch {
    // What is broken is told when it is asked for.
  }
}
