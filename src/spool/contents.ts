import { openAcks } from './acks.js'
import { isOwned } from './owner.js'
import { runDirs, type ServerPlace, type SpooledRun, writtenIds } from './place.js'
import type { Step } from './steps.js'
import { openTail } from './tail.js'
import { isBlank, runIdIn, runOf } from './whose.js'

/** What waits in the spool of one run. */
export interface SpoolContents {
  /** Points, parameters, tags and all else that is sent in its turn: also the run's making and its end, which `stats()` leaves out. */
  readonly entries: number
  /** Whether the run's making is among them. */
  readonly begins: boolean
  /** Whether the run's end is among them. */
  readonly ends: boolean
  /** How many of them are files of the run. */
  readonly files: number
  /** The names of models among them, and of what they are registered as. */
  readonly models: readonly { readonly name: string; readonly registeredModelName?: string | undefined }[]
}

/** A run of which something waits. */
export interface WaitingRun {
  /** The id that the script knows. */
  readonly runId: string
  /** The run's id on its server; undefined when it has to be made yet. */
  readonly serverRunId: string | undefined
  readonly dir: string
  /** Whether a process that lives delivers it. */
  readonly busy: boolean
  readonly waiting: SpoolContents
}

/** What waits for a server, run by run, the oldest first, those of living processes included; nothing is touched. */
export function whatWaits(place: ServerPlace): WaitingRun[] {
  const runs = waitingRuns(place)
  const ids = writtenIds(place)
  const unmade = new Set(runs.flatMap(({ runId, local }) => (local && !ids.has(runId) ? [runId] : [])))
  return runs.map(({ dir, runId }) => ({
    runId,
    dir,
    serverRunId: unmade.has(runId) ? undefined : (ids.get(runId) ?? runId),
    busy: isOwned(dir),
    waiting: contentsOf(dir),
  }))
}

/** The runs that wait for a server. Where a folder no longer tells of its run, its server may have it. */
const waitingRuns = (place: ServerPlace): (SpooledRun & { readonly dir: string })[] =>
  runDirs(place).flatMap((dir) => {
    const run = runOf(dir) ?? (isBlank(dir) ? undefined : { runId: runIdIn(dir), local: false })
    return run ? { ...run, dir } : []
  })

function contentsOf(dir: string): SpoolContents {
  const { done } = openAcks(dir)
  const tail = openTail(dir, () => true)
  const models: SpoolContents['models'][number][] = []
  let entries = 0
  let files = 0
  let [begins, ends] = [false, false]
  const look = (step: Step): void => {
    if ('artifact' in step) files++
    begins ||= 'create' in step
    ends ||= 'call' in step && step.call === 'updateRun'
    if (!('model' in step)) return
    const { name, version } = step.model.request
    models.push({ name, registeredModelName: version?.name })
  }
  for (let record = tail.next(); record; record = tail.next()) {
    for (const missing of done[record.kind].missing(record.first, record.count)) {
      entries += missing.count
      const from = missing.first - record.first
      if (record.kind === 'steps') for (const step of record.steps.slice(from, from + missing.count)) look(step)
    }
  }
  return { entries, begins, ends, files, models }
}
