// A stranger's TypeScript, checked strictly against the packed types.
import {
  CairnError,
  type Client,
  createClient,
  getMetricHistory,
  type Run,
  type RunData,
  searchRuns,
  startRun,
} from 'cairn-ml'

async function train(run: Run): Promise<number> {
  run.logParam('rate', 0.1)
  run.logMetrics({ loss: 0.5, accuracy: 0.9 }, { step: 1 })
  await run.flush({ timeoutMs: 1000 })
  return run.stats().queued
}

export async function main(): Promise<string[]> {
  const queued: number = await startRun({ runName: 'typed', tags: { team: 'growth' } }, train)
  const client: Client = createClient({ trackingUri: './mlruns' })
  await client.close()
  const found: RunData[] = await searchRuns({
    filter: 'metrics.loss < 1',
    orderBy: ['metrics.loss ASC'],
    maxResults: 5,
  })
  try {
    const [first] = await getMetricHistory(found[0]?.info.runId ?? '', 'loss')
    const value: number | undefined = first?.value
    return [String(queued), String(value)]
  } catch (error) {
    if (error instanceof CairnError) return [error.code]
    throw error
  }
}

// @ts-expect-error a number is no run name
void startRun({ runName: 5 })
