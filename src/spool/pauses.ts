import type { FailureKind } from '../core/retry.js'
import type { CairnError } from '../errors.js'
import { PARENT_FIRST } from './failures.js'
import type { ServerState } from './server.js'

/** How long the requests of one run wait after failures, beside what all requests to its server wait for. */
export interface Pauses {
  /** Milliseconds until anything may go out; 0 now. */
  wait(): number
  /** After the failure of a request; answers for how long, in milliseconds. */
  after(error: CairnError, kind: FailureKind, isUnmade: boolean): number
  /** After the failure of a request with files, which may lie elsewhere than the server; 0 when that is so. */
  afterFiles(error: CairnError, kind: FailureKind): number
  arrived(): void
  /** Nothing goes out for `ms` milliseconds. */
  rest(ms: number): void
  /** Somebody waits: all may go out. */
  lift(): void
}

const PARENT_MS = 500
const FORBIDDEN_MS = 500
const FORBIDDEN_MOST_MS = 300_000

/** Decides how long one run waits after a failure; one of the server itself is told to `server`, and all its runs wait. */
export function pauses(server: ServerState, serverUri: string): Pauses {
  let until = Number.NEGATIVE_INFINITY
  let forbidden = 0

  /** A run that may not be written to, or not be made, waits alone; any other failure is the server's. */
  function after(error: CairnError, kind: FailureKind, isUnmade: boolean): number {
    if (kind === 'throttled') return server.throttled(error)
    const isForbidden = error.status === 403 || isUnmade
    if (!isForbidden && error.code !== PARENT_FIRST) return server.down(error)
    const ms = isForbidden ? Math.min(FORBIDDEN_MOST_MS, FORBIDDEN_MS * 2 ** forbidden++) : PARENT_MS
    if (error.code === PARENT_FIRST) server.givenUp()
    else server.answered()
    until = performance.now() + ms
    return ms
  }

  return {
    wait: () => Math.max(server.wait(), until - performance.now()),
    after,
    afterFiles(error, kind) {
      const { status = 0 } = error
      // A success that has kept nothing, as a refusal and a stumble, is about the file.
      const isOfFile = status === 403 || status === 500 || (status >= 200 && status < 300)
      if (error.url?.startsWith(serverUri) && !isOfFile) return after(error, kind, false)
      server.givenUp()
      return 0
    },
    arrived() {
      forbidden = 0
    },
    rest(ms) {
      until = Math.max(until, performance.now() + ms)
    },
    lift() {
      until = Number.NEGATIVE_INFINITY
    },
  }
}
