import { refusals } from '../core/refusals.js'
import { type CairnError, UnavailableError } from '../errors.js'
import type { BufferOptions, BufferStats } from './buffer-options.js'

/** What became of what left a queue. */
export interface Outcomes {
  arrived(count: number): void
  /** `count` entries failed and go out again. */
  retried(count: number): void
  /** `count` entries are refused for good. */
  refused(error: CairnError, count: number): void
  /** One found no room. */
  turnedAway(): void
  /** Tells of all that found no room since this was last called, as one refusal. */
  tellTurnedAway(): void
  /** What was refused since this was last asked, a hundred at the most. */
  refusals(): CairnError[]
  counts(): Pick<BufferStats, 'delivered' | 'retried' | 'refused' | 'lastDeliveredAt'>
}

/** Counts what leaves a queue and tells of what is refused; `maxQueued` is how many points may wait. */
export function outcomes(
  maxQueued: number,
  { onRefused, onFull }: Pick<BufferOptions, 'onRefused' | 'onFull'>,
): Outcomes {
  let delivered = 0
  let retried = 0
  let refused = 0
  let lastDeliveredAt: number | undefined
  const whyRefused = refusals()
  /** Not told of yet: a loop that logs meets it at each point. */
  let turnedAway = 0
  let isFullSaid = false

  function tell(error: CairnError, count: number): void {
    whyRefused.add(error)
    onRefused?.(error, count)
  }

  const full = () =>
    new UnavailableError(
      `As much as may be waits in memory for a backend that does not take it (${maxQueued} points, buffer.maxQueued); what is logged meanwhile is refused`,
    )

  return {
    arrived(count) {
      delivered += count
      lastDeliveredAt = Date.now()
    },
    retried(count) {
      retried += count
    },
    refused(error, count) {
      refused += count
      tell(error, count)
    },
    turnedAway() {
      refused++
      turnedAway++
      if (isFullSaid) return
      isFullSaid = true
      onFull?.(full())
    },
    tellTurnedAway() {
      if (turnedAway === 0) return
      const count = turnedAway
      turnedAway = 0
      tell(full(), count)
    },
    refusals: whyRefused.take,
    counts: () => ({ delivered, retried, refused, lastDeliveredAt }),
  }
}
