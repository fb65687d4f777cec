import type { BatchLimits } from '../core/batch.js'
import { type CairnError, NetworkError } from '../errors.js'
import { beats } from '../spool/beats.js'
import type { Courier } from '../spool/courier.js'
import { deliverer } from '../spool/deliver.js'
import type { Deliverer, DeliveryEvents } from '../spool/deliverer.js'
import { NO_WAY } from '../spool/failures.js'
import type { SpoolLog } from '../spool/log.js'
import type { Outage } from '../spool/outage.js'
import type { Claim } from '../spool/owner.js'
import type { ServerPlace, SpooledRun } from '../spool/place.js'
import { type Replayed, type ReplayOptions, replay } from '../spool/replay.js'
import { serverState } from '../spool/server.js'

/** The delivery of one run's folder. */
export interface Job {
  readonly dir: string
  readonly run: SpooledRun
  readonly claim: Claim
  readonly log: SpoolLog
  /** The folders of the run that go before it; none by default. */
  readonly elders?: readonly string[] | undefined
  readonly watch: DeliveryEvents
  /** Told whenever the progress may have changed. */
  readonly onMoved?: (() => void) | undefined
}

/** What delivers the spool of one server: this thread, or another. */
export interface Hands {
  deliver(job: Job): Deliverer
  /** Delivers what processes that are gone have left, now and from time to time; `again` looks now also where it does. */
  lookForLeft(again: boolean): void
  /** Delivers it now, and tells what came of it. */
  replay(options: Omit<ReplayOptions, 'courier' | 'server'>): Promise<Replayed[]>
  /** Stops looking, and gives up what others had left; jobs are stopped one by one. */
  close(): Promise<void>
}

export interface HandsOptions {
  readonly place: ServerPlace
  readonly courier: () => Promise<Courier>
  readonly warn: (message: string) => void
  /** Told when the server does not take what is logged, and of each answer. */
  readonly outage: Pick<Outage, 'down' | 'up'>
  /** Connections to the server; 10 by default. */
  readonly connections?: number | undefined
  /** The most that a request carries; MLflow's own limits by default. */
  readonly limits?: BatchLimits | undefined
}

const LOOK_AGAIN_MS = 60_000

/** Delivers in this thread, whenever its event loop turns. */
export function ownHands({ place, courier, warn, outage, connections, limits }: HandsOptions): Hands {
  const closing = new AbortController()
  const server = serverState({
    dir: place.dir,
    connections,
    limits,
    onDown: ({ message }) =>
      outage.down(`${place.uri} does not take what is logged, which is kept on disk: ${message}`),
    onAnswered: outage.up,
  })
  const ours = beats()
  let looking: NodeJS.Timeout | undefined
  let looked: Promise<unknown> = Promise.resolve()
  /** Made once, at the first request; failing to make it is failing to send, and no judgement on what was to be sent. */
  async function made(): Promise<Courier> {
    try {
      return await courier()
    } catch (error) {
      const message = `There is no way to ${place.uri}: ${(error as Error).message}`
      throw new NetworkError(message, { cause: error, notSent: true, code: NO_WAY })
    }
  }
  const later: Courier = {
    create: async (...of) => (await made()).create(...of),
    batch: async (...of) => (await made()).batch(...of),
    call: async (...of) => (await made()).call(...of),
    artifact: async (...of) => (await made()).artifact(...of),
  }

  const deliverLeft: Hands['replay'] = (options) => replay(place, { ...options, courier: later, server })

  return {
    deliver({ claim, log, ...job }) {
      const written = () => (log.isClosed ? undefined : log.written)
      const { turn, free } = log
      const delivery = deliverer({ ...job, written, turn, free, held: claim.held, place, courier: later, server })
      ours.add(job.dir, claim)
      void delivery.finished.then(() => ours.delete(job.dir))
      return delivery
    },
    lookForLeft(again) {
      if (looking && !again) return
      const look = () => {
        const left = deliverLeft({ signal: closing.signal, isOurs: ours.has })
        const told = left.catch((error: unknown) =>
          warn(`What waits on disk for ${place.uri} cannot be looked at: ${(error as CairnError).message}`),
        )
        looked = Promise.all([looked, told])
      }
      look()
      looking ??= setInterval(look, LOOK_AGAIN_MS).unref()
    },
    replay: deliverLeft,
    async close() {
      clearInterval(looking)
      ours.stop()
      closing.abort()
      await looked
    },
  }
}
