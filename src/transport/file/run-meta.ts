import { basename, join } from 'node:path'
import { TAG } from '../../core/tags.js'
import { withLock } from '../../disk/lock.js'
import { stateOf } from '../../disk/write.js'
import { InvalidParameterError, NotFoundError } from '../../errors.js'
import type { WireRunInfo } from '../protocol.js'
import { listRunIds, lockFile, META, type OpenRun, runDir, type Store } from './layout.js'
import { isSame, isSettled } from './memo.js'
import { changeMetaFile, metaText } from './meta-file.js'
import { ifReadable } from './readable.js'
import { parseRun } from './run-text.js'
import { readValue } from './values.js'

/** What the `meta.yaml` of a run says; undefined when there is none, `IntegrityError` naming it when it is broken. */
export const readRunInfo = (store: Store, dir: string): WireRunInfo | undefined =>
  store.memo.read(`${dir}/${META}`, (text) =>
    // Empty while Python rewrites it: read again, with patience.
    parseRun(text === '' ? (metaText(dir) ?? '') : text, dir, () => readValue(join(dir, 'tags'), TAG.runName)),
  )

/** A run by its id; throws `NotFoundError`, or `IntegrityError` when its `meta.yaml` is broken. */
export function findRun(store: Store, id: string): { dir: string; info: WireRunInfo } {
  const dir = runDir(store, id)
  const info = readRunInfo(store, dir)
  if (!info) throw new NotFoundError(`The run ${id} has no ${META} in ${dir}`)
  return { dir, info }
}

/** The runs of an experiment that can be read, in no order; folders that are no runs and broken runs are left out. */
export function* listRunsIn(store: Store, experiment: string): Generator<{ dir: string; info: WireRunInfo }> {
  for (const id of listRunIds(store, experiment)) {
    const dir = `${experiment}/${id}`
    const info = runInfoIfReadable(store, dir)
    if (info) yield { dir, info }
  }
}

/** As `readRunInfo`, but undefined for what cannot be read. */
export const runInfoIfReadable = (store: Store, dir: string): WireRunInfo | undefined =>
  ifReadable(store, () => readRunInfo(store, dir))

function checkActive(info: WireRunInfo): void {
  if (info.lifecycle_stage !== 'active')
    throw new InvalidParameterError(`The run ${info.run_id} is deleted; restore it to write to it`)
}

/** A run by its id that can be written to; throws `InvalidParameterError` when it is deleted. */
export function findActiveRun(store: Store, id: string): { dir: string; info: WireRunInfo } {
  const run = findRun(store, id)
  checkActive(run.info)
  return run
}

const MOST_OPEN = 10_000

/** `findActiveRun` for a caller that comes often: one look at the run's `meta.yaml` when nobody has changed it. */
export function openRun(store: Store, id: string): OpenRun {
  const known = store.openRuns.get(id)
  if (known?.state && isSame(known.state, stateOf(`${known.dir}/${META}`))) return known
  const dir = runDir(store, id)
  // Looked at before it is read: a change in between is then seen the next time.
  const state = stateOf(join(dir, META))
  const { info } = findActiveRun(store, id)
  const metricFiles = known?.dir === dir ? known.metricFiles : new Map<string, string>()
  const run = { dir, info, metricFiles, state: state && isSettled(state) ? state : undefined }
  if (store.openRuns.size >= MOST_OPEN) store.openRuns.clear()
  store.openRuns.set(id, run)
  return run
}

/** Changes fields of a run's `meta.yaml` (undefined removes one) while no other process of ours does. */
export const changeRun = (store: Store, dir: string, changes: Readonly<Record<string, unknown>>): void =>
  withLock(lockFile(store, `run-${basename(dir)}`), () => changeMetaFile(dir, changes))

/** Marks a run active or deleted; `deleted` is the time in epoch milliseconds. */
export const setLifecycle = (
  store: Store,
  dir: string,
  stage: 'active' | 'deleted',
  deleted: number | undefined,
): void => changeRun(store, dir, { lifecycle_stage: stage, deleted_time: deleted })
