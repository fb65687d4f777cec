import {
  AlreadyExistsError,
  errorFromCode,
  InvalidParameterError,
  NetworkError,
  NotFoundError,
} from '../../src/errors.js'
import type { CallOptions, Input, Operation, Output, Transport } from '../../src/transport/transport.js'

/** What happens to the next call of an operation. */
export type Mishap =
  | 'not sent'
  /** Nothing happened, but the caller can't know. */
  | 'lost'
  /** It was carried out, and the answer was lost. */
  | 'answer lost'
  /** Half of a batch was carried out, and the answer was lost. */
  | 'half'
  | 'throttled'
  | 'refused'

type Point = NonNullable<Input<'logBatch'>['metrics']>[number]

/** A backend in memory with the ways of MLflow's stores: a database keeps a point once and refuses a NaN twice; files add. */
export function scriptedStore(kind: 'database' | 'files') {
  const rows: Point[] = []
  const runs: { info: Record<string, unknown>; data: { tags: { key: string; value: string }[] } }[] = []
  const versions: { name: string; version: string; tags: { key: string; value: string }[] }[] = []
  const experiments = new Set<string>()
  const tags = new Map<string, string>()
  const calls: { operation: Operation; input: unknown }[] = []
  const script = new Map<Operation, Mishap[]>()

  const same = (a: Point, b: Point) =>
    a.key === b.key && a.step === b.step && a.timestamp === b.timestamp && Object.is(a.value, b.value)

  function take(points: readonly Point[]): void {
    if (kind === 'database' && points.some((one) => Number.isNaN(one.value) && rows.some((row) => same(row, one))))
      throw errorFromCode('BAD_REQUEST', 'UNIQUE constraint failed', { status: 400 })
    for (const point of points) if (kind === 'files' || !rows.some((row) => same(row, point))) rows.push(point)
  }

  const handlers: { [O in Operation]?: (input: never) => unknown } = {
    logBatch({ metrics = [], tags: given = [] }: Input<'logBatch'>) {
      take(metrics)
      for (const { key, value = '' } of given) tags.set(key, value)
      return {}
    },
    logMetric({ run_id: _, ...point }: Input<'logMetric'>) {
      take([point as Point])
      return {}
    },
    getMetricHistory: ({ metric_key, page_token = '0' }: Input<'getMetricHistory'>) => {
      const all = rows.filter(({ key }) => key === metric_key)
      const from = Number(page_token)
      // Two a page: whoever reads only the first sees too little.
      return {
        metrics: all.slice(from, from + 2),
        next_page_token: from + 2 < all.length ? String(from + 2) : undefined,
      }
    },
    createRun({ experiment_id, tags: given = [] }: Input<'createRun'>) {
      const run = { info: { run_id: `r${runs.length}`, experiment_id }, data: { tags: given as never } }
      runs.push(run)
      return { run }
    },
    searchRuns: ({ filter = '' }: Input<'searchRuns'>) => ({
      runs: runs.filter(({ data }) => data.tags.some(({ key, value }) => filter === `tags.\`${key}\` = '${value}'`)),
    }),
    createModelVersion({ name, tags: given = [] }: Input<'createModelVersion'>) {
      const version = { name, version: String(versions.length + 1), tags: given as never }
      versions.push(version)
      return { model_version: version }
    },
    searchModelVersions: () => ({ model_versions: versions }),
    createExperiment({ name }: Input<'createExperiment'>) {
      if (experiments.has(name)) throw new AlreadyExistsError(name)
      experiments.add(name)
      return { experiment_id: `id of ${name}` }
    },
    getExperimentByName: ({ experiment_name }: Input<'getExperimentByName'>) => ({
      experiment: { experiment_id: `id of ${experiment_name}` },
    }),
    setTag({ key, value }: Input<'setTag'>) {
      tags.set(key, value)
      return {}
    },
    getRun: () => ({ run: { data: { tags: [...tags].map(([key, value]) => ({ key, value })) } } }),
    deleteTag({ key }: Input<'deleteTag'>) {
      if (!tags.delete(key)) throw new NotFoundError(key)
      return {}
    },
  }

  const transport: Transport & { appendsBlindly(): Promise<boolean> } = {
    appendsBlindly: async () => kind === 'files',
    close: async () => undefined,
    async call<O extends Operation>(operation: O, input: Input<O>, options: CallOptions = {}): Promise<Output<O>> {
      options.signal?.throwIfAborted()
      calls.push({ operation, input })
      const mishap = script.get(operation)?.shift()
      const carry = (given: unknown) => (handlers[operation] as (input: unknown) => Output<O>)(given)
      if (mishap === undefined) return carry(input)
      if (mishap === 'not sent') throw new NetworkError('refused', { notSent: true })
      if (mishap === 'throttled') throw errorFromCode(undefined, 'slow down', { status: 429, retryAfterMs: 7_000 })
      if (mishap === 'refused') throw new InvalidParameterError('no')
      if (mishap === 'answer lost') carry(input)
      if (mishap === 'half') {
        const { metrics = [] } = input as Input<'logBatch'>
        carry({ ...input, metrics: metrics.slice(0, Math.ceil(metrics.length / 2)) })
      }
      throw new NetworkError('broke')
    },
  }

  return {
    transport,
    rows,
    runs,
    versions,
    tags,
    calls,
    named: (operation: Operation) => calls.filter((call) => call.operation === operation),
    next: (operation: Operation, ...mishaps: Mishap[]) => void script.set(operation, mishaps),
  }
}
