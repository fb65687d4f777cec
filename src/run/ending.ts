import type { RunInfo } from '../core/entities.js'
import { checkEndStatus } from '../core/names.js'
import { IntegrityError } from '../errors.js'
import type { BufferStats, MetricBuffer } from '../tracking/metric-buffer.js'
import { whatIsLeft, whyLeft } from './end-line.js'
import { endNoteOf } from './end-note.js'
import type { Gate } from './gate.js'
import type { EndStatus, LiveRun } from './handle.js'
import { deliverNow } from './last-moment.js'
import { naturalEnd } from './natural-end.js'
import type { Outlet } from './outlet.js'
import type { UnderWay } from './under-way.js'
import { windUp } from './wind-up.js'

/** What the end of a run needs of the world. */
export interface EndingDeps {
  /** Where what is logged goes. */
  readonly outlet: Outlet
  /** How long it waits for the server, in milliseconds. */
  readonly endTimeoutMs: number
  /** Has what is on its way to the server kept on disk instead, where there is such a way. */
  readonly toDisk: (() => void) | undefined
  /** Whether this process made the run, or took it up again after its end: only then does it end it. */
  readonly owned: boolean
  /** One line on standard error. */
  readonly say: (line: string) => void
  /** What the line at the end says of where to look; nothing when it is silenced. */
  readonly whereToLook: string | undefined
  /** Called once, when nothing is left to do. */
  readonly onEnded: () => void
}

/** What of the run its end has to do with. */
export interface Endable {
  readonly buffer: MetricBuffer
  readonly gate: Gate
  /** What takes its time, which the end waits for. */
  readonly calls: Pick<UnderWay, 'through' | 'left'>
}

/** The end of one run: what is waited for before it has ended, and what is said of the rest. */
export type Ending = Pick<LiveRun, 'status' | 'stats' | 'end' | 'finish' | 'beforeEnd' | 'beforeExit' | 'endNow'>

/** Ends a run when that is asked for or the process goes, and at most once. */
export function endingOf(info: RunInfo, { buffer, gate, calls }: Endable, deps: EndingDeps): Ending {
  const { runId } = info
  const { outlet, endTimeoutMs, toDisk, owned, say } = deps
  const end = endNoteOf(info, deps)
  let asked: Promise<void> | undefined
  /** Why not all had arrived after a wait for the end of the process. */
  let late: unknown
  const natural = naturalEnd(endTimeoutMs)
  let over = false
  const winding = { buffer, calls, outlet, endTimeoutMs, toDisk, isOver: () => over }

  const stats = (): BufferStats => outlet.stats(buffer.stats())

  /** Whether something has not arrived. */
  function isMore(): boolean {
    const { queued, inFlight, spooled } = stats()
    return queued + inFlight + spooled > 0
  }

  /** Whether something is left that the disk does not take either. */
  function isInMemory(): boolean {
    buffer.drainNow()
    const { queued, inFlight } = buffer.stats()
    return queued + inFlight > 0
  }

  /** What neither the server nor a disk has is tried no more: else it would hold the process, and be lost all the same. */
  function giveUp(error: unknown): number {
    return buffer.giveUp((count) => {
      const why = [`${count} entries had not arrived when the run ended, and are lost`, whyLeft({ outlet, error })]
      return new IntegrityError(why.filter((part) => part).join(': '))
    })
  }

  /** What is left is counted and said, not thrown: a training that has ended stays ended. */
  function leave(givenUp: number, error: unknown): void {
    if (over) return
    over = true
    const adrift = buffer.stats().inFlight
    const left = whatIsLeft({ stats: stats(), givenUp, adrift, calls: calls.left, outlet, error })
    if (left !== undefined) say(`cairn: run ${runId}: ${left}`)
    if (deps.whereToLook) say(deps.whereToLook)
    deps.onEnded()
  }

  /** Notes the end on the spot; one that was asked for and not waited for counts with its own status. */
  function noteNow(as: EndStatus): void {
    buffer.drainNow()
    const known = gate.isAsked ? end.asked : owned ? as : undefined
    if (known) end.noteNow(known)
  }

  async function endAs(as: EndStatus | undefined): Promise<void> {
    const reason = await windUp(winding, {
      onThrough: gate.seal,
      note: async (rest) => {
        if (as) await end.note(as, rest)
      },
    })
    if (over) return
    const givenUp = giveUp(reason)
    await outlet.close()
    leave(givenUp, reason)
  }

  function ask(given: EndStatus | undefined, otherwise: EndStatus): Promise<void> {
    if (asked === undefined) {
      gate.ask()
      const as = given ?? (owned ? otherwise : undefined)
      end.ask(as, given !== undefined)
      asked = endAs(as)
    }
    return asked
  }

  /** Takes no more, of a process that goes, and gives up what has not arrived. */
  function goneWith(error: unknown): number {
    gate.leave()
    asked ??= Promise.resolve()
    return giveUp(error)
  }

  const ending: Ending = {
    get status() {
      return end.status
    },
    stats,
    async end(as) {
      if (as !== undefined) checkEndStatus(as)
      await ask(as, 'FINISHED')
    },
    finish: (as) => ask(undefined, as),
    async beforeExit(as) {
      if (!gate.isAsked)
        await natural.wait(isMore, async (by) => {
          await ending.beforeEnd(as, by - endTimeoutMs)
          // What is on its way from memory in vain would hold the process; what is on disk does not, and more can go there.
          if (late === undefined || over || gate.isAsked || !isInMemory()) return
          const givenUp = goneWith(late)
          await outlet.close()
          leave(givenUp, late)
        })
      await asked
    },
    async beforeEnd(as, since) {
      if (!gate.isAsked && late === undefined)
        late = await windUp(winding, {
          since,
          note: async (rest) => {
            if (owned && !gate.isAsked) await end.note(as, rest)
          },
        })
      await asked
    },
    endNow(as, since) {
      if (over) return () => {}
      noteNow(as)
      return () => {
        // Again, for what was logged since, or an end that was asked for.
        noteNow(as)
        // After a wait in vain there is no other.
        deliverNow(
          buffer,
          outlet,
          Math.min(since + endTimeoutMs, late === undefined ? Number.POSITIVE_INFINITY : natural.by),
        )
        const givenUp = goneWith(late)
        outlet.closeNow()
        leave(givenUp, late)
      }
    },
  }
  return ending
}
