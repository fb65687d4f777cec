import { onceFor } from '../core/remembered.js'

/** The part of a logger that is told of an outage. */
export interface OutageLogger {
  info(message: string): void
  warn(message: string): void
}

/** One server as one logger hears of it: of each outage one warning, whoever meets it first, and one line on recovery. */
export interface Outage {
  /** The server is away. The first to say so warns, and how what is kept gets there; all others inform. */
  down(said: string): void
  /** The server answers. */
  up(): void
  /** A call that keeps nothing is tried again for long: warns as `down`. What it answers is called when that call is through or fails. */
  heldUp(said: string): () => void
  /** The server has answered a call: what only calls have met is over, unless one is held up still. */
  answered(): void
  /** Which outage of what is logged this is, from 1 on; 0 while there is none. */
  readonly current: number
  /** That number in memory, for other threads, whose answers may be news. */
  readonly nth: Int32Array<SharedArrayBuffer>
}

const SENT_LATER =
  'What is kept is sent when that has changed, by this or the next process of Cairn here, or by npx cairn-ml sync'

const KEPT = 'What runs log meanwhile is kept on disk and sent later'

/** By logger, which may be one client's or that of all, and by the server's address. */
const known = new WeakMap<OutageLogger, Map<string, Outage>>()

/** What a logger was told of a server: the same for all clients of this process that share it. */
export function outageOf(server: string, logger: OutageLogger): Outage {
  const servers = onceFor(known, logger, () => new Map<string, Outage>())
  return onceFor(servers, server, () => newOutage(server, logger))
}

function newOutage(server: string, logger: OutageLogger): Outage {
  const nth = new Int32Array(new SharedArrayBuffer(4))
  let count = 0
  /** Whether calls alone have met one: they say nothing of how it takes what is logged, nor does that say anything of them. */
  let isOfCalls = false
  let heldUp = 0

  function begins(): boolean {
    if (Atomics.compareExchange(nth, 0, 0, count + 1) !== 0) return false
    count++
    return true
  }

  return {
    nth,
    get current() {
      return Atomics.load(nth, 0)
    },
    down(said) {
      const isTold = isOfCalls && heldUp > 0
      if (begins() && !isTold) logger.warn(`${said}. ${SENT_LATER}`)
      else logger.info(said)
      isOfCalls = false
    },
    up() {
      if (Atomics.exchange(nth, 0, 0) === 0) return
      logger.warn(`${server} takes what is logged again; what waited on disk is on its way`)
    },
    heldUp(said) {
      heldUp++
      if (isOfCalls || Atomics.load(nth, 0) !== 0) logger.info(said)
      else {
        isOfCalls = true
        logger.warn(`${said}. ${KEPT}`)
      }
      return () => void heldUp--
    },
    answered() {
      if (!isOfCalls || heldUp > 0) return
      isOfCalls = false
      logger.warn(`${server} answers again`)
    },
  }
}

/** As it is seen from another thread, which tells the one of the logger. */
export function distantOutage(nth: Outage['nth'], tell: Pick<Outage, 'down' | 'up'>): Pick<Outage, 'down' | 'up'> {
  let over = 0
  return {
    down: tell.down,
    up() {
      const now = Atomics.load(nth, 0)
      if (now !== 0 && now !== over) tell.up()
      over = now
    },
  }
}
