import { api, nameOf, type Run } from './api.js'
import { Ask } from './ask.js'

interface RemoveProps<T> {
  readonly what: T
  readonly onDone: () => void
  readonly onClose: () => void
}

/** All of them, one after the other: what is refused stops those behind it, and is said. */
async function each<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
  for (const item of items) await act(item)
}

export const restoreRuns = (runs: readonly Run[]): Promise<void> =>
  each(runs, ({ info }) => api.restoreRun({ run_id: info.run_id }))

/** Deletes runs, once that is confirmed. */
export function DeleteRuns({ what: runs, onDone, onClose }: RemoveProps<readonly Run[]>) {
  const act = async () => {
    await each(runs, ({ info }) => api.deleteRun({ run_id: info.run_id }))
    onDone()
  }
  const [first] = runs
  const title = runs.length === 1 && first ? `Delete ${nameOf(first)}` : `Delete ${runs.length} runs`
  return (
    <Ask title={title} action="Delete" act={act} onClose={onClose}>
      <p>
        {runs.length === 1 ? 'It goes' : 'They go'} out of sight, and nothing is thrown away: among the deleted runs{' '}
        {runs.length === 1 ? 'it' : 'they'} can be restored.
      </p>
      {runs.some(({ info }) => info.status === 'RUNNING') && (
        <p class="failure">{runs.length === 1 ? 'It is' : 'Some are'} still running.</p>
      )}
    </Ask>
  )
}

/** Deletes an experiment with its runs, once that is confirmed. */
export function DeleteExperiment({
  what: { experiment_id, name },
  onDone,
  onClose,
}: RemoveProps<{ readonly experiment_id: string; readonly name: string }>) {
  const act = async () => {
    await api.deleteExperiment({ experiment_id })
    onDone()
  }
  return (
    <Ask title={`Delete ${name}`} action="Delete" act={act} onClose={onClose}>
      <p>
        The experiment and its runs go out of sight, and nothing is thrown away: among the deleted experiments it can be
        restored. Its name stays taken.
      </p>
    </Ask>
  )
}
