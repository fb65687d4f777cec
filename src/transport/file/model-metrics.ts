import { join } from 'node:path'
import { appendLines, isTorn, mendTail } from '../../disk/append.js'
import { withLock } from '../../disk/lock.js'
import { STAGING } from '../../disk/stage-dir.js'
import { walkFiles } from '../../disk/walk.js'
import { InvalidParameterError } from '../../errors.js'
import type { WireMetric } from '../protocol.js'
import { isLater, type MetricPoint, parseMetricLine } from './codec.js'
import { lockFile, type Store } from './layout.js'
import { keyFile } from './values.js'

const metricsOf = (dir: string): string => join(dir, 'metrics')

/** The latest point of each dataset, in the order in which the datasets first came; lines that are no points are left out. */
function latestByDataset(text: string): MetricPoint[] {
  const groups = new Map<string, MetricPoint>()
  const lines = text.split('\n')
  // What follows the last line end is an append that was cut.
  lines.pop()
  for (const line of lines) {
    const point = parseMetricLine(line)
    if (!point) continue
    const group = JSON.stringify([point.datasetName, point.datasetDigest])
    const known = groups.get(group)
    if (!known || isLater(point, known)) groups.set(group, point)
  }
  return [...groups.values()]
}

function readFile(store: Store, file: string, id: string, key: string): WireMetric[] {
  const points = store.memo.read(file, latestByDataset) ?? []
  return points.map((point) => ({
    key,
    value: point.value,
    timestamp: point.timestamp,
    step: point.step,
    model_id: id,
    run_id: point.runId,
    dataset_name: point.datasetName,
    dataset_digest: point.datasetDigest,
  }))
}

/** One metric of a logged model: its latest point for each dataset; none when there is no such key. */
export function readModelMetric(store: Store, dir: string, id: string, key: string): WireMetric[] {
  try {
    return readFile(store, keyFile(metricsOf(dir), 'metric', key), id, key)
  } catch (error) {
    if (error instanceof InvalidParameterError) return []
    throw error
  }
}

/** All metrics of a logged model, sorted by key. */
export const readModelMetrics = (store: Store, dir: string, id: string): WireMetric[] =>
  walkFiles(metricsOf(dir))
    .sort()
    .flatMap((key) => readFile(store, join(metricsOf(dir), key), id, key))

/** Appends whole lines to a metric file of a logged model; an append before it that was cut is cut off first. */
export function appendModelLines(store: Store, file: string, lines: string): void {
  if (isTorn(file)) withLock(lockFile(store, 'model-metrics'), () => mendTail(file))
  appendLines(file, lines, join(store.root, STAGING))
}
