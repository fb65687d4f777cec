import { Worker } from 'node:worker_threads'

/** A thread of ours, begun with the first word to it. It never keeps the process alive, and is done without when it ends. */
export interface Thread<To> {
  /** Says something to it; nothing once it is lost. */
  post(message: To): void
  readonly isBegun: boolean
  readonly isLost: boolean
  /** Ends it, of which `onLost` is not told. */
  end(): Promise<void>
}

export interface ThreadOptions<From> {
  readonly name: string
  /** What it is given when it begins. */
  readonly start: unknown
  readonly hear: (message: From) => void
  /** It could not begin, or has ended by itself; told once, with the error that ended it. */
  readonly onLost: (error: Error | undefined) => void
}

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
    async end() {
      isLost = true
      await worker?.terminate()
    },
  }
}
