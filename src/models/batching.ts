import type { Row } from '../core/tensor.js'
import { IntegrityError } from '../errors.js'
import { isBatch } from './option-rules.js'

/** How rows of calls at once are joined. */
export interface BatchOptions {
  /** Rows that are asked together at most; 64 unless said. A call with more goes alone. */
  readonly maxSize?: number | undefined
  /** How long the first call waits for others, in milliseconds; 5 unless said. */
  readonly maxWaitMs?: number | undefined
}

type Ask = (rows: readonly Row[]) => Promise<readonly Row[]>

interface Waiting {
  readonly rows: readonly Row[]
  readonly resolve: (rows: readonly Row[]) => void
  readonly reject: (error: unknown) => void
}

export interface Batching {
  ask: Ask
  /** Asks at once whatever still waits. */
  flush(): Promise<void>
}

/** Joins the rows of calls that come close together into one question, and hands each its own answers. */
export function batching(inner: Ask, options: BatchOptions = {}): Batching {
  isBatch(options, 'batch')
  const { maxSize = 64, maxWaitMs = 5 } = options
  let waiting: Waiting[] = []
  let size = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  function take(): Waiting[] {
    clearTimeout(timer)
    timer = undefined
    const taken = waiting
    waiting = []
    size = 0
    return taken
  }

  async function answer(calls: readonly Waiting[]): Promise<void> {
    if (calls.length === 0) return
    try {
      const rows = calls.flatMap((call) => call.rows)
      const answers = await inner(rows)
      if (!Array.isArray(answers) || answers.length !== rows.length)
        throw new IntegrityError(`The model answered ${rows.length} rows with ${answers?.length ?? 0}`)
      let at = 0
      for (const { rows: own, resolve } of calls) {
        resolve(answers.slice(at, at + own.length))
        at += own.length
      }
    } catch (error) {
      if (calls.length === 1) calls[0]?.reject(error)
      // One call's bad row must not fail the calls it was joined with.
      else await Promise.all(calls.map((call) => answer([call])))
    }
  }

  return {
    ask: (rows) =>
      new Promise((resolve, reject) => {
        const call = { rows, resolve, reject }
        if (rows.length >= maxSize) {
          void answer([call])
          return
        }
        if (size + rows.length > maxSize) void answer(take())
        waiting.push(call)
        size += rows.length
        if (size >= maxSize) void answer(take())
        else timer ??= setTimeout(() => void answer(take()), maxWaitMs)
      }),
    flush: () => answer(take()),
  }
}
