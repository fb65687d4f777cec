import { InvalidParameterError } from '../errors.js'

/** Until when a run takes what is logged to it. */
export interface Gate {
  /** Whether the end was asked for, or the run has gone before its process: only then `isTaking` has to be. */
  readonly isAsked: boolean
  /** Whether it takes what is logged, or lets it go with the process. */
  readonly isOpen: boolean
  /**
   * Whether to take what is logged, or was begun while the run was open; throws when the run has ended. A process that goes
   * does not fail for what it still logs.
   */
  isTaking(isBegun?: boolean): boolean
  /** Throws when the end was asked for: no call begins any more. */
  checkOpen(): void
  /** The end is asked for: only what was begun before is still taken. */
  ask(): void
  /** From here on not even that is taken. */
  seal(): void
  /** The process goes, and the run has gone before it. */
  leave(): void
}

/** Lets in what is logged to a run, for as long as the run takes it. */
export function gateOf(runId: string, say: (line: string) => void): Gate {
  let isSealed = false
  let isLeft = false
  let isLateTold = false

  const hasEnded = () =>
    new InvalidParameterError(`The run ${runId} has ended; resume it with startRun({ runId: '${runId}' })`)

  const gate: Gate & { isAsked: boolean } = {
    // No getter: each point that is logged asks.
    isAsked: false,
    get isOpen() {
      return !gate.isAsked || isLeft
    },
    isTaking(isBegun = false) {
      if (!gate.isAsked || (isBegun && !isSealed)) return true
      if (!isLeft) throw hasEnded()
      if (!isLateTold) say(`cairn: run ${runId}: what is logged in the last moment of the process is lost`)
      isLateTold = true
      return false
    },
    checkOpen() {
      if (gate.isAsked) throw hasEnded()
    },
    ask() {
      gate.isAsked = true
    },
    seal() {
      isSealed = true
    },
    leave() {
      gate.isAsked = isLeft = true
    },
  }
  return gate
}
