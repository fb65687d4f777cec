import { Worker } from 'node:worker_threads'
import { isLocal, localPath } from '../artifacts/location.js'
import { exists } from '../disk/write.js'
import { CairnError } from '../errors.js'
import { readSettings } from '../settings.js'
import type { Input, Output } from '../transport/protocol.js'
import { workerFile } from '../wire/worker-file.js'

/** What the thread is begun with. */
export interface SearchStart {
  readonly root: string
}

/** A search for the thread. */
export interface Asked {
  readonly id: number
  readonly input: Input<'searchRuns'>
}

/** What the thread says: an answer, none where the search failed there, or what was left out. */
export type Told =
  | { readonly id: number; readonly answer: Output<'searchRuns'> | undefined }
  | { readonly warning: string }

/** A thread that searches a local store, so that this one answers others meanwhile. */
export interface SearchThread {
  readonly root: string
  /** Names the function that is told what searches leave out. */
  warnTo(warn: (message: string) => void): void
  /** The answer; undefined where there is none to be had from it, and the caller searches itself. */
  search(input: Input<'searchRuns'>): Promise<Output<'searchRuns'> | undefined>
  close(): Promise<void>
}

/** Longer pages cost more to be handed over than to be searched for. */
const LONGEST_PAGE = 1_000

function rootOf(trackingUri: string | undefined): string | undefined {
  try {
    const uri = trackingUri ?? readSettings().trackingUri ?? './mlruns'
    const root = isLocal(uri) ? localPath(uri) : undefined
    return root !== undefined && exists(root) ? root : undefined
  } catch (error) {
    // The opening says so.
    if (error instanceof CairnError) return undefined
    throw error
  }
}

/**
 * Begins to look through a store while the rest of a server is still being loaded; undefined where there is nothing to look
 * through, or no thread to be had.
 */
export function searchThread(trackingUri: string | undefined): SearchThread | undefined {
  const root = rootOf(trackingUri)
  const file = root === undefined ? undefined : workerFile(() => new URL('./search-worker.js', import.meta.url))
  if (root === undefined || file === undefined) return undefined
  try {
    return threadIn(root, file)
  } catch {
    // There may be no files or memory left for one.
    return undefined
  }
}

function threadIn(root: string, file: URL): SearchThread {
  const worker = new Worker(file, { workerData: { root } satisfies SearchStart, name: 'cairn-search', execArgv: [] })
  const waiting = new Map<number, (answer: Output<'searchRuns'> | undefined) => void>()
  let serial = 0
  let isGone = false
  const early: string[] = []
  let warn = (message: string): void => void early.push(message)

  function lose(): void {
    isGone = true
    for (const resolve of waiting.values()) resolve(undefined)
    waiting.clear()
  }

  worker.on('message', (told: Told) => {
    if ('warning' in told) return warn(told.warning)
    waiting.get(told.id)?.(told.answer)
    waiting.delete(told.id)
  })
  worker.on('error', lose)
  worker.on('exit', lose)
  worker.unref()
  return {
    root,
    warnTo(told) {
      warn = told
      for (const message of early.splice(0)) warn(message)
    },
    async search(input) {
      if (isGone || (input.max_results ?? LONGEST_PAGE) > LONGEST_PAGE) return undefined
      const id = serial++
      return new Promise((resolve) => {
        waiting.set(id, resolve)
        worker.postMessage({ id, input } satisfies Asked)
      })
    },
    async close() {
      lose()
      await worker.terminate()
    },
  }
}
