import type { Acks } from './acks.js'
import { type Backlog, type BacklogSource, backlog } from './backlog.js'
import type { Written } from './log.js'
import { type MakingOptions, withMaking } from './making.js'
import { openTail } from './tail.js'

/** Reads the log of one folder on, as far as it can be sent soon, and lets go of what is done with. */
export interface Reader {
  /** What was read and is not on its way yet. */
  readonly work: Backlog
  /** Reads on, where there is more to read. */
  fill(): void
  /** Removes the files of which all is done with. */
  forget(): void
  /** Has the log go on in its next file: what was delivered goes file by file, and this one could lie there for long. */
  turn(): void
  /** Whether nobody wrote any more when the log was last read: what came between that and its end is not read yet. */
  isClosed(): boolean
  /** Stretches of the log that were damaged, so far. */
  damaged(): number
}

export interface ReaderOptions extends Pick<BacklogSource, 'onLost' | 'tally'> {
  readonly dir: string
  readonly acks: Acks
  readonly written: () => Written | undefined
  readonly turn: (() => boolean) | undefined
  /** Has files of the log removed that are done with, by what answers how many bytes that were. */
  readonly free: ((remove: () => number) => void) | undefined
  /** For a run that its server has to make yet. */
  readonly making: Pick<MakingOptions, 'place' | 'onRemade'> | undefined
}

/** Begins at the first file that is left of the log. */
export function reader(options: ReaderOptions): Reader {
  const { dir, written, turn, free, making, onLost, tally } = options
  const { done, tried } = options.acks
  const writing = () => written() !== undefined
  const tail = openTail(dir, writing)
  const next = making ? withMaking(tail.next, { dir, writing, ...making }) : tail.next
  const work = backlog({ next, done, tried, onLost, tally })
  let knownSegment = 0
  let isClosed = false

  function fill(): void {
    const now = written()
    isClosed = now === undefined
    const segment = now?.segment ?? 0
    if (now && now.points <= work.read.points && now.steps <= work.read.steps && segment <= knownSegment) return
    // Short of the end it has not met the next file, and the one before cannot go.
    if (!work.fill()) return
    if (segment > knownSegment) forget()
    knownSegment = segment
  }

  function forget(): void {
    const through = { points: done.points.watermark, steps: done.steps.watermark }
    if (!tail.mayForget(through)) return
    // Whoever takes over finds what is gone from the log among what has arrived; not so on a full disk, whose need is room.
    options.acks.settle()
    try {
      const remove = () => tail.forget(through)
      if (free) free(remove)
      else remove()
    } catch {
      // It lies there until the whole folder goes.
    }
  }

  return {
    work,
    fill,
    forget,
    turn() {
      try {
        if (turn?.()) fill()
      } catch {
        // A disk that takes nothing: as in `forget`.
      }
    },
    isClosed: () => isClosed,
    damaged: () => tail.damaged,
  }
}
