import { BATCH_LIMITS, type BatchLimits } from '../core/batch.js'

/** What one server takes, learnt from what it refuses. */
export interface LearntLimits {
  readonly batch: BatchLimits
  /** Requests that a run may have on their way at once. */
  readonly atOnce: number
  /** A request with this many entries was too much. */
  tooMany(count: number): void
  /** Too many requests: fewer at once from now on. */
  tooFast(): void
  /** A request with this many entries went through. */
  taken(count: number): void
}

/** Where what was learnt is kept for the next process; a memory that fails is one that knows nothing. */
export interface LimitsMemory {
  read(): string | undefined
  write(text: string): void
}

/** Requests that a run has on their way at once, of a server that asks for no time. */
export const MOST_AT_ONCE = 4
/** Requests that have to go through before one more may be under way at once. */
const TRUST = 20
/** Full requests that have to go through before a longer one is tried; twice as many after each that was too long. */
const PATIENCE = 100
const MOST_PATIENCE = 10_000
/** How many times longer the wait is where the next longer request is one known to be too long. */
const AGAIN = 10
/** After this what was too long may not be any more: servers are replaced. */
const FORGET_MS = 24 * 3_600_000

interface Learnt {
  /** Entries of the longest request to be sent. */
  most: number
  /** The longest known to be taken since, and the shortest known to be too long; 0 for none. */
  good: number
  bad: number
  atOnce: number
  patience: number
}

/** Begins with what the memory holds, else with MLflow's own limits, and never goes beyond these. */
export function learntLimits(given: BatchLimits = BATCH_LIMITS, memory?: LimitsMemory): LearntLimits {
  // What a server takes is not what one client of it wants: the memory is that of all.
  const full = Math.max(given.total, given.metrics, BATCH_LIMITS.total)
  let known: Learnt | undefined
  let batch = given
  let fullOnes = 0
  let requests = 0

  /** Read when first wanted: most clients never send anything. */
  function learnt(): Learnt {
    if (known) return known
    known = { most: full, good: 0, bad: 0, atOnce: MOST_AT_ONCE, patience: PATIENCE, ...remembered(memory, full) }
    apply(known)
    return known
  }

  function apply({ most }: Learnt): void {
    const { metrics, params, tags, total, bytes } = given
    const cut = (limit: number) => Math.max(1, Math.min(limit, most))
    batch = { metrics: cut(metrics), params: cut(params), tags: cut(tags), total: cut(total), bytes }
  }

  function keep(now: Learnt): void {
    apply(now)
    memory?.write(JSON.stringify({ ...now, time: Date.now() }))
  }

  function grow(now: Learnt): void {
    const between = now.bad === 0 ? full : Math.floor((Math.max(now.good, now.most) + now.bad) / 2)
    const next = Math.min(full, now.most + Math.ceil(now.most / 4), between)
    if (next - now.most > now.most / 20) now.most = next
    else if (now.bad === 0) now.most = full
    else if (fullOnes < now.patience * AGAIN) return
    else now.bad = 0
    fullOnes = 0
    keep(now)
  }

  return {
    get batch() {
      learnt()
      return batch
    },
    get atOnce() {
      return learnt().atOnce
    },
    tooMany(count) {
      const now = learnt()
      now.bad = now.bad === 0 ? count : Math.min(now.bad, count)
      if (now.good >= now.bad) now.good = 0
      now.most = Math.max(1, Math.min(now.most, Math.max(now.good, Math.floor(count / 2))))
      now.patience = Math.min(MOST_PATIENCE, now.patience * 2)
      fullOnes = 0
      keep(now)
    },
    tooFast() {
      const now = learnt()
      now.atOnce = Math.max(1, Math.floor(now.atOnce / 2))
      requests = 0
      keep(now)
    },
    taken(count) {
      const now = learnt()
      if (now.atOnce < MOST_AT_ONCE && ++requests >= TRUST) {
        now.atOnce++
        requests = 0
        keep(now)
      }
      if (now.most >= full || count < now.most) return
      now.good = Math.max(now.good, Math.min(count, now.most))
      if (++fullOnes >= now.patience) grow(now)
    },
  }
}

/** What a memory holds that makes sense. */
function remembered(memory: LimitsMemory | undefined, full: number): Partial<Learnt> {
  try {
    const { most, good, bad, atOnce, patience, time } = JSON.parse(memory?.read() ?? '') as Record<string, unknown>
    const whole = (value: unknown, least: number, limit: number): value is number =>
      Number.isInteger(value) && (value as number) >= least && (value as number) <= limit
    if (!whole(most, 1, full) || !whole(good, 0, full) || !whole(bad, 0, full) || !whole(atOnce, 1, MOST_AT_ONCE))
      return {}
    const isOld = !(Date.now() - Number(time) < FORGET_MS)
    if (isOld) return { most, good, bad: 0, atOnce }
    return { most, good, bad, atOnce, ...(whole(patience, PATIENCE, MOST_PATIENCE) ? { patience } : {}) }
  } catch {
    return {}
  }
}
