import { parentPort } from 'node:worker_threads'
import { openLog, type SpoolLog } from '../spool/log.js'
import { leftLookout } from '../spool/lookout.js'
import { LOOKS_OUT, logMemory } from '../spool/memory.js'
import { type Claim, claimOf } from '../spool/owner.js'
import type { ServerPlace } from '../spool/place.js'
import { type RoomMemory, room as roomIn } from '../spool/room.js'

/** What a thread is given that only writes down what another one has left in memory. */
export interface LookoutStart {
  readonly lookout: true
  readonly place: ServerPlace
  readonly room: RoomMemory
}

/** What it is told by the thread that logs. */
export type ToLookout =
  | {
      readonly log: number
      readonly dir: string
      readonly generation: number
      readonly memory: SharedArrayBuffer
    }
  /** The next key of a log's points. */
  | { readonly key: number; readonly name: string }
  /** Points are left in a log's memory. */
  | { readonly left: number }
  /** Nothing more comes. */
  | { readonly forget: number }

/** Writes down what is left in the memory of logs, while the thread that logs is busy; it needs nothing but the disk. */
export function keepLookout({ place, room: memory }: LookoutStart): void {
  const room = roomIn(place.spoolDir, place.maxBytes, memory)
  const logs = new Map<number, SpoolLog>()
  const claims = new Map<SpoolLog, Claim>()
  const lookout = leftLookout((log) => claims.get(log)?.held() === true)

  function open({ log: id, dir, generation, memory }: Extract<ToLookout, { log: number }>): void {
    const log = openLog(dir, { memory: logMemory(LOOKS_OUT, memory), room })
    logs.set(id, log)
    claims.set(log, claimOf(dir, generation))
  }

  function forget(id: number): void {
    const log = logs.get(id)
    if (!log) return
    logs.delete(id)
    claims.delete(log)
    lookout.forget(log)
    log.letGo()
  }

  parentPort?.on('message', (message: ToLookout) => {
    if ('log' in message) open(message)
    else if ('key' in message) logs.get(message.key)?.addKey(message.name)
    else if ('forget' in message) forget(message.forget)
    else {
      const log = logs.get(message.left)
      if (log) lookout.watch(log)
    }
  })
}
