import { expect, it, vi } from 'vitest'
import { NetworkError } from '../../src/errors.js'
import type { ToWorker } from '../../src/wire/messages.js'
import { sharedNumbers } from '../../src/wire/shared-numbers.js'
import { told } from '../../src/wire/told-error.js'
import { workerJob } from '../../src/wire/worker-job.js'

const COUNTS = { inFlight: 1, delivered: 2, refused: 3, refusedChores: 4, deliveredChores: 5, retried: 6 }

/** A job in another thread that is a list of what it is told, and the one that takes it over. */
function begun() {
  const said: ToWorker[] = []
  const successor = {
    hurry: vi.fn(),
    look: vi.fn(),
    until: vi.fn(async () => true),
    refusals: () => [new Error('second')],
    runId: () => undefined,
    finished: Promise.resolve(true),
    progress: { ...COUNTS, lastDeliveredAt: 8 },
  }
  const log = { memory: {}, written: { points: 7, steps: 2 }, stir() {}, watchedBy() {} }
  const isLost = vi.fn(() => false)
  const job = workerJob(4, { dir: 'd', run: { runId: 'r' }, log, watch: {} } as never, {
    post: (message) => said.push(message),
    isLost,
    fallback: { deliver: () => successor as never },
  })
  job.begin()
  const lose = () => {
    isLost.mockReturnValue(true)
    job.fallBack()
  }
  return { job, said, successor, lose }
}

it('what another thread did not bring about is waited for by the one that takes over, in as much of a hurry', async () => {
  const { job, said, successor, lose } = begun()
  job.deliverer.hurry()
  const waited = job.deliverer.until({ points: 7, steps: 2 }, 60_000)
  job.hear({ word: 'refused', job: 4, error: told(new NetworkError('first')), count: 1 })
  lose()
  expect(await waited).toBe(true)
  expect(said.map(({ word }) => word)).toEqual(['deliver', 'hurry', 'hurry', 'calm'])
  expect(successor.hurry).toHaveBeenCalledOnce()
  expect(successor.until).toHaveBeenCalledOnce()
  expect(job.deliverer.refusals().map(({ message }) => message)).toEqual(['first', 'second'])
  expect(await job.deliverer.finished).toBe(true)
})

it('each number that one thread writes is the one that the other reads, and chores of both are counted', () => {
  const { job, said, lose } = begun()
  const [{ shared }] = said as [Extract<ToWorker, { word: 'deliver' }>]
  const progress = { ...COUNTS, lastDeliveredAt: 7 }
  sharedNumbers(shared).setProgress(progress, { points: 10, steps: 11 }, false)
  expect(job.deliverer.progress).toEqual(progress)
  expect(job.deliverer.done).toEqual({ points: 10, steps: 11 })
  lose()
  expect(job.deliverer.progress).toMatchObject({ deliveredChores: 10, lastDeliveredAt: 8 })
})
