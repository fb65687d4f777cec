import type { FailureKind } from '../core/retry.js'
import type { CairnError } from '../errors.js'
import { PARENT_FIRST } from './failures.js'
import type { ServerState } from './server.js'

/** How long the requests of one run wait after failures, beside what all requests to its server wait for. */
export interface Pauses {
  /** Milliseconds until anything may go out; 0 now. */
  wait(): number
  /** Whether steps may go out: files have waits of their own. */
  stepsMay(): boolean
  /** After the failure of a request; answers for how long, in milliseconds. */
  after(error: CairnError, kind: FailureKind, isUnmade: boolean): number
  /** After the failure of a request with files. */
  afterFiles(error: CairnError, kind: FailureKind): number
  /** Whether the server said so often in a row that it cannot keep a file that it will not. */
  readonly isFileHopeless: boolean
  arrived(withFiles: boolean): void
  /** Nothing goes out for so many milliseconds. */
  rest(ms: number): void
  /** Somebody waits: all may go out. */
  lift(): void
}

const PARENT_MS = 500
const FORBIDDEN_MS = 500
const FORBIDDEN_MOST_MS = 300_000
const FILES_MS = 500
const MOST_FILES_MS = 30_000
const MOST_FILE_FAILURES = 8
/** Between the first request after an outage, which finds out, and the files. */
const BEHIND_MS = 200

/** No pause yet. */
export function pauses(server: ServerState, serverUri: string): Pauses {
  let until = Number.NEGATIVE_INFINITY
  let stepsUntil = Number.NEGATIVE_INFINITY
  let forbidden = 0
  let filesFailed = 0

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
    stepsMay: () => performance.now() >= stepsUntil,
    after,
    // Files may lie elsewhere than the server, or be what it cannot take: points do not wait for them.
    afterFiles(error, kind) {
      const isServers = error.url?.startsWith(serverUri) && error.status !== 500 && error.status !== 403
      const own = Math.min(MOST_FILES_MS, FILES_MS * 2 ** Math.min(10, filesFailed++))
      const theirs = isServers ? after(error, kind, false) : 0
      if (!isServers) server.givenUp()
      const ms = Math.max(own, theirs + BEHIND_MS, error.retryAfterMs ?? 0)
      stepsUntil = performance.now() + ms
      return ms
    },
    get isFileHopeless() {
      return filesFailed >= MOST_FILE_FAILURES
    },
    arrived(withFiles) {
      forbidden = 0
      if (withFiles) filesFailed = 0
    },
    rest(ms) {
      until = Math.max(until, performance.now() + ms)
    },
    lift() {
      until = Number.NEGATIVE_INFINITY
      stepsUntil = Number.NEGATIVE_INFINITY
    },
  }
}
