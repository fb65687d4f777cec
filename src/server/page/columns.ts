import { metricsOf, type Run, record } from './api.js'
import { durationText, numberText, timeText } from './format.js'
import { decode } from './route.js'

/** One column of the table of runs: `metrics.loss`, `params.lr`, `tags.team`, `attributes.start_time`. */
export interface Column {
  readonly id: string
  readonly kind: 'attributes' | 'metrics' | 'params' | 'tags'
  readonly key: string
  readonly title: string
}

const ATTRIBUTES: Readonly<Record<string, string>> = {
  start_time: 'Started',
  duration: 'Took',
  status: 'Status',
  user_id: 'User',
  run_id: 'Run id',
}
const FIXED: readonly string[] = ['attributes.start_time', 'attributes.duration']

export function columnOf(id: string): Column | undefined {
  const [, kind, key] = /^(attributes|metrics|params|tags)\.(.+)$/s.exec(id) ?? []
  if (kind === undefined || key === undefined) return undefined
  return { id, kind: kind as Column['kind'], key, title: kind === 'attributes' ? (ATTRIBUTES[key] ?? key) : key }
}

/** How a search names the column; keys that are no plain words go in backticks. */
export function orderKey({ kind, key }: Column): string | undefined {
  if (kind === 'attributes') return key === 'duration' ? undefined : `attributes.${key}`
  return /^[A-Za-z_]\w*$/.test(key) ? `${kind}.${key}` : key.includes('`') ? `${kind}."${key}"` : `${kind}.\`${key}\``
}

/** All columns that some runs have, those that most have first. */
function columnsIn(runs: readonly Run[]): string[] {
  const counts = new Map<string, number>()
  const count = (id: string) => counts.set(id, (counts.get(id) ?? 0) + 1)
  for (const { data } of runs) {
    for (const { key } of data.metrics ?? []) count(`metrics.${key}`)
    for (const { key } of data.params ?? []) count(`params.${key}`)
    for (const { key } of data.tags ?? []) if (!key.startsWith('mlflow.')) count(`tags.${key}`)
  }
  return [...counts].sort((a, b) => b[1] - a[1]).map(([id]) => id)
}

const first = (ids: readonly string[], prefix: string, most: number): string[] =>
  ids.filter((id) => id.startsWith(prefix) && !id.startsWith('metrics.system/')).slice(0, most)

/** What is shown before anybody chose. */
export const usualColumns = (runs: readonly Run[]): string[] => {
  const ids = columnsIn(runs)
  return [...FIXED, ...first(ids, 'metrics.', 5), ...first(ids, 'params.', 4)]
}

export const allColumns = (runs: readonly Run[]): string[] => {
  const ids = columnsIn(runs)
  const of = (prefix: string) => ids.filter((id) => id.startsWith(prefix)).sort()
  return [
    ...Object.keys(ATTRIBUTES).map((key) => `attributes.${key}`),
    ...of('metrics.'),
    ...of('params.'),
    ...of('tags.'),
  ]
}

/** A run's cells by column, read once for each run. */
export interface Cells {
  readonly metrics: Readonly<Record<string, number>>
  readonly params: Readonly<Record<string, string>>
  readonly tags: Readonly<Record<string, string>>
}

const cells = new WeakMap<Run, Cells>()
export function cellsOf(run: Run): Cells {
  const known = cells.get(run)
  if (known) return known
  const made = { metrics: metricsOf(run), params: record(run.data.params), tags: record(run.data.tags) }
  cells.set(run, made)
  return made
}

export function cellText(run: Run, column: Column, now: number): string {
  const { info } = run
  if (column.kind === 'metrics') return numberText(cellsOf(run).metrics[column.key])
  if (column.kind !== 'attributes') return cellsOf(run)[column.kind][column.key] ?? ''
  switch (column.key) {
    case 'start_time':
      return timeText(info.start_time)
    case 'duration':
      if (info.start_time === undefined) return ''
      if (!info.end_time && info.status !== 'RUNNING') return ''
      return durationText((info.end_time || now) - info.start_time)
    case 'status':
      return info.status.toLowerCase()
    case 'user_id':
      return info.user_id ?? ''
    default:
      return info.run_id
  }
}

export const writeList = (items: readonly string[]): string => items.map(encodeURIComponent).join(',')
export const readList = (text: string | undefined): string[] => (text ?? '').split(',').filter(Boolean).map(decode)
