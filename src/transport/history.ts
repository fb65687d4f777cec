import { HISTORY_PAGE } from '../core/page.js'
import { allPages } from './pages.js'
import type { CallOptions, Input, Output, Transport } from './transport.js'

/** A metric as it is sent. */
export type Point = NonNullable<Input<'logBatch'>['metrics']>[number]

/** Whether a point is one of those that a database refuses to take twice. */
export const isNaNPoint = (point: Point): boolean =>
  typeof point.value === 'number' ? Number.isNaN(point.value) : point.value === 'NaN'

/** The points of a run that its server does not have yet, read from the histories of their keys. */
export async function missingPoints(
  transport: Transport,
  runId: string,
  points: readonly Point[],
  options: CallOptions,
): Promise<Point[]> {
  const stored = new Set<string>()
  for (const key of new Set(points.map((point) => point.key)))
    for await (const point of history(transport, runId, key, options)) stored.add(pointIdentity(point))
  return points.filter((point) => !stored.has(pointIdentity(point)))
}

/** Every point of one metric of a run, in the store's order; `page` points are asked for at once. */
export const history = (
  transport: Transport,
  run_id: string,
  metric_key: string,
  { page: max_results = HISTORY_PAGE, ...options }: CallOptions & { readonly page?: number | undefined },
): AsyncGenerator<Output<'getMetricHistory'>['metrics'][number]> =>
  allPages(async (page_token) => {
    const input = { run_id, metric_key, max_results, page_token }
    const { metrics, next_page_token } = await transport.call('getMetricHistory', input, options)
    return { items: metrics, nextPageToken: next_page_token }
  })

/** What makes a point the same as another. Databases keep an infinity as the largest double and -0 as 0. */
export function pointIdentity({ key, value = 0, timestamp = 0, step = 0 }: Point): string {
  const number = Math.min(Math.max(Number(value), -Number.MAX_VALUE), Number.MAX_VALUE)
  return `${key}\n${step}\n${timestamp}\n${number}`
}
