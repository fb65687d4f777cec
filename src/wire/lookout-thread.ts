import { parentPort } from 'node:worker_threads'
import { openLog, type SpoolLog } from '../spool/log.js'
import { logLookout } from '../spool/lookout.js'
import { logMemory } from '../spool/memory.js'
import { claimOf } from '../spool/owner.js'
import type { ServerPlace } from '../spool/place.js'
import { type RoomMemory, room as roomIn } from '../spool/room.js'
import { hearing, type Of } from './messages.js'

/** What a thread is given that only writes down what another one has left in memory. */
export interface LookoutStart {
  readonly lookout: true
  readonly place: ServerPlace
  readonly room: RoomMemory
}

/** What it is told by the thread that logs. */
export type ToLookout =
  | {
      readonly word: 'watch'
      readonly log: number
      readonly dir: string
      readonly generation: number
      readonly memory: SharedArrayBuffer
      /** Set before it says that there is more, and cleared by the thread that hears it: one word waits at the most. */
      readonly isTold: Int32Array<SharedArrayBuffer>
    }
  /** The next key of a log's points. */
  | { readonly word: 'key'; readonly log: number; readonly name: string }
  /** There is something in a log's memory. */
  | { readonly word: 'stir'; readonly log: number }
  /** Nothing more comes. */
  | { readonly word: 'forget'; readonly log: number }
  /** The thread is to end, by itself: ended from outside it might hold a log's lock. */
  | { readonly word: 'end' }

/** What it tells: there is more in a log than before. */
export interface FromLookout {
  readonly more: number
}

interface Watched {
  readonly log: SpoolLog
  readonly held: () => boolean
  onMore(): void
}

/** Writes down what is left in the memory of logs; it needs nothing but the disk. */
export function keepLookout({ place, room: memory }: LookoutStart): void {
  const room = roomIn(place.spoolDir, place.maxBytes, memory)
  const lookout = logLookout()
  const logs = new Map<number, Watched>()

  function watch({ log: id, dir, generation, memory, isTold }: Of<ToLookout, 'watch'>): void {
    const more: FromLookout = { more: id }
    const claim = claimOf(dir, generation)
    logs.set(id, {
      log: openLog(dir, { memory: logMemory(memory), room }),
      held: () => claim.held() && claim.isThere(),
      onMore: () => void (Atomics.exchange(isTold, 0, 1) === 0 && parentPort?.postMessage(more)),
    })
  }

  const hear = hearing<ToLookout>({
    watch,
    key: ({ log, name }) => logs.get(log)?.log.addKey(name),
    stir({ log }) {
      const watched = logs.get(log)
      if (watched) lookout.watch(watched.log, watched.held, watched.onMore)
    },
    forget({ log }) {
      const watched = logs.get(log)
      if (!watched) return
      logs.delete(log)
      lookout.forget(watched.log)
      watched.log.letGo()
    },
    end: () => process.exit(),
  })
  parentPort?.on('message', hear)
}
