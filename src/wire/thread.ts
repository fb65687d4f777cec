import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

/** A thread of ours, begun with the first word to it. It never keeps the process alive, and is done without when it ends. */
export interface Thread<To> {
  /** Says something to it; nothing once it is lost. */
  post(message: To): void
  readonly isBegun: boolean
  readonly isLost: boolean
  /** Ends it, of which `onLost` is not told; with a last word that has it end by itself, it is given a while for that. */
  end(last?: To): Promise<void>
}

export interface ThreadOptions<From> {
  readonly name: string
  /** What it is given when it begins. */
  readonly start: unknown
  readonly hear: (message: From) => void
  /** It could not begin, or has ended by itself; told once, with the error that ended it. */
  readonly onLost: (error: Error | undefined) => void
}

const END_MS = 1_000

/** The thread that a file runs. */
export function thread<To, From>(file: URL, { name, start, hear, onLost }: ThreadOptions<From>): Thread<To> {
  let worker: Worker | undefined
  let isLost = false

  function lose(error: Error | undefined): void {
    if (isLost) return
    isLost = true
    worker = undefined
    onLost(error)
  }

  function begin(): Worker | undefined {
    try {
      // No loader of the program's own: it might wait for the main thread, which may be busy.
      worker = new Worker(file, { workerData: start, name, execArgv: [] })
    } catch (error) {
      // A thread has files of its own, and there may be none left to open.
      lose(error as Error)
      return undefined
    }
    worker.on('message', hear)
    worker.on('error', lose)
    worker.on('exit', () => lose(undefined))
    worker.unref()
    return worker
  }

  return {
    post(message) {
      if (!isLost) (worker ?? begin())?.postMessage(message)
    },
    get isBegun() {
      return worker !== undefined
    },
    get isLost() {
      return isLost
    },
    async end(last) {
      isLost = true
      const ended = worker
      if (ended && last !== undefined) {
        // Who waits for its end is not to be left in the middle of it.
        ended.ref()
        ended.postMessage(last)
        const byItself = new Promise((resolve) => ended.once('exit', resolve))
        await Promise.race([byItself, setTimeout(END_MS, undefined, { ref: false })])
      }
      await ended?.terminate()
    },
  }
}
