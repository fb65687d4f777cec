import { join } from 'node:path'
import { isServed } from '../artifacts/location.js'
import { checkServedPath } from '../artifacts/paths.js'
import type { OpenArtifacts, TransferOptions } from '../artifacts/store.js'
import type { SplitTable } from '../core/table.js'
import { blobOf, factsOf, removeAll, saveStream } from '../disk/files.js'
import { type Sum, summed } from '../disk/sums.js'
import { type CairnError, NotFoundError, UnavailableError } from '../errors.js'
import { inRoom } from '../spool/room.js'
import { KEPT_CALLS } from '../spool/steps.js'
import type { Input, Operation, Output, Transport } from '../transport/transport.js'
import type { RunFiles } from './artifacts.js'
import type { SpooledOutlet } from './spooled.js'
import { whileThere } from './while-there.js'

/** What a run's files and other calls need, whose server may be away. */
export interface KeptDeps {
  readonly outlet: SpooledOutlet
  /** The way to the server, which gives up after seconds; as for the files. */
  readonly transport: () => Promise<Transport>
  readonly openArtifacts: OpenArtifacts
  /** Where the run's files go, as far as it is known. */
  readonly artifactUri: string | undefined
  /** How many steps of the log have to be done with before anything goes straight to the server. */
  readonly after: number
  /** Told why, at the first of a row of things that are kept. */
  readonly onKept: (what: string, reason: CairnError) => void
}

/** A run's files and other calls. */
export interface Kept {
  readonly store: RunFiles
  readonly transport: Transport
}

/** Refuses at the call what a server would refuse once it is back; most pass files on by themselves. */
export function checkKeptPath(artifactUri: string | undefined, path: string): void {
  if (!artifactUri || isServed(artifactUri)) checkServedPath(path)
}

/**
 * Files and calls of a run that go straight to its server, and into the run's folder of the spool while that is away: from
 * there they are sent in their turn. Whatever follows one that is kept is kept too until that has arrived, so that no
 * older file replaces a newer one.
 */
export function keptOrSent(deps: KeptDeps): Kept {
  const { outlet } = deps
  const { dir } = outlet.folder
  let serial = 0
  let artifactUri = deps.artifactUri
  let after = deps.after
  /** Files that are read back to be added to (tables), each with its newest state on this machine. */
  const readBack = new Map<string, string | undefined>()

  const isMade = () => outlet.folder.runId() !== undefined
  /** Files that wait for the server, each with how many steps have to be done with before it is there. */
  const waiting = new Map<string, { readonly file: string; readonly steps: number; readonly isRows: boolean }>()
  let saving = 0
  const sent = whileThere(outlet, async (signal) =>
    (await deps.transport()).call('getRun', { run_id: outlet.folder.runId() ?? '' }, { signal }),
  )

  const mustWait = () =>
    saving > 0 || !isMade() || outlet.awayFor !== undefined || outlet.leaving.aborted || !outlet.isDone(after)
  const awayFor = (): CairnError | undefined => outlet.awayFor ?? (outlet.leaving.reason as CairnError | undefined)

  async function online() {
    if (artifactUri === undefined) {
      const transport = await deps.transport()
      const { run } = await transport.call('getRun', { run_id: outlet.folder.runId() ?? '' })
      artifactUri = run.info.artifact_uri ?? ''
    }
    return deps.openArtifacts(artifactUri)
  }

  function keep(what: string, reason: CairnError | undefined, steps: Parameters<SpooledOutlet['steps']>[0]): void {
    const isFirst = outlet.isDone(after)
    after = outlet.steps(steps)
    if (isFirst && reason) deps.onKept(what, reason)
  }

  async function keepFile(
    path: string,
    data: Blob,
    {
      signal,
      reason,
      isRows = false,
    }: { signal?: AbortSignal | undefined; reason?: CairnError | undefined; isRows?: boolean },
  ) {
    if (!outlet.isOpen && reason) throw reason
    const file = `file-${serial++}`
    saving++
    try {
      await inRoom(outlet.folder.room, data.size, async () => {
        const sum = await save(file, data, signal)
        try {
          keep(path, reason, [{ artifact: { path, file, type: data.type, sum, ...(isRows ? { isRows } : {}) } }])
        } catch (error) {
          await removeAll(join(dir, file))
          throw error
        }
      })
    } finally {
      saving--
    }
    waiting.set(path, { file, steps: after, isRows })
  }

  async function save(file: string, data: Blob, signal: AbortSignal | undefined): Promise<Sum> {
    const taken = summed(data.stream() as ReadableStream<Uint8Array>)
    await saveStream(join(dir, file), taken.data, { signal, mode: 0o600 })
    return taken.sum()
  }

  /** What waits for the server under a path. */
  const keptUnder = (path: string) => {
    const kept = waiting.get(path)
    return kept && !outlet.isDone(kept.steps) ? kept : undefined
  }

  async function copyOf(path: string): Promise<ReadableStream<Uint8Array> | undefined> {
    const file = readBack.get(path) ?? keptUnder(path)?.file
    // Without the folder, which somebody may remove, nothing but the server has it.
    if (file === undefined || !(await factsOf(join(dir, file)))) return undefined
    return (await blobOf(join(dir, file))).stream() as ReadableStream<Uint8Array>
  }

  const store: RunFiles = {
    checkWritable: (path) => checkKeptPath(artifactUri, path),
    async list(path, { signal } = {}) {
      // A run that ends does not wait for what its server has.
      const until = signal ? AbortSignal.any([signal, outlet.leaving]) : outlet.leaving
      const got = await sent(until, async (at) => (await online()).list(path, { signal: at }))
      if ('value' in got) return got.value
      throw got.reason
    },
    remove: async (path, options) => (await online()).remove(path, options),
    async read(path, { signal } = {}) {
      // Only rows for it are known here.
      if (keptUnder(path)?.isRows) throw unread(path, awayFor())
      const copy = await copyOf(path)
      if (!readBack.has(path)) readBack.set(path, undefined)
      if (copy && mustWait()) return copy
      if (!isMade()) throw new NotFoundError(`${path} is not among what waits for the server`)
      const got = await sent(signal, async (until) => (await online()).read(path, { signal: until }))
      if ('value' in got) return got.value
      if (copy) return copy
      throw unread(path, got.reason)
    },
    async write(path, data, { signal, onUnsure } = {}) {
      checkKeptPath(artifactUri, path)
      const keepIt = (reason = awayFor()) => keepFile(path, data, { signal, reason })
      if (mustWait() && outlet.isOpen) await keepIt()
      else {
        const send = async (until: AbortSignal, moved: () => void) =>
          (await online()).write(path, telling(data, moved), { signal: until, onUnsure })
        const got = await sent(signal, send, keepIt)
        if ('reason' in got) await keepIt(got.reason)
      }
      if (!readBack.has(path) || !outlet.isOpen) return
      const file = `copy-${serial++}`
      const older = readBack.get(path)
      try {
        await save(file, data, signal)
        readBack.set(path, file)
      } catch {
        // It has gone where it should; without a copy it is read from there.
        readBack.set(path, undefined)
      }
      if (older !== undefined) await removeAll(join(dir, older))
    },
  }

  async function addRows(path: string, rows: SplitTable, { signal }: TransferOptions = {}): Promise<void> {
    const data = new Blob([JSON.stringify(rows)], { type: 'application/json' })
    await keepFile(path, data, { signal, reason: awayFor(), isRows: true })
  }

  async function call<O extends Operation>(operation: O, input: Input<O>, options = {}): Promise<Output<O>> {
    const { run_id: _, ...rest } = input as Record<string, unknown>
    const { signal } = options as { signal?: AbortSignal }
    const own = { ...input, run_id: outlet.folder.runId() } as Input<O>
    const send = async (until: AbortSignal) => (await deps.transport()).call(operation, own, { signal: until })
    const keepIt = async (reason = awayFor()) => {
      keep(operation, reason, [{ call: operation, input: rest }])
      return {} as Output<O>
    }
    const isKept = KEPT_CALLS.has(operation)
    if (isKept && mustWait() && outlet.isOpen) return keepIt()
    const got = await sent(signal, send, isKept ? keepIt : undefined)
    if ('value' in got) return got.value
    if (!isKept || !outlet.isOpen) throw got.reason
    return keepIt(got.reason)
  }

  return { store: { ...store, addRows }, transport: { call, close: async () => {} } }
}

/** The same file, which tells of each part that is taken from it. */
function telling(data: Blob, onTaken: () => void): Blob {
  const told = new Blob([data], { type: data.type })
  const stream = () => {
    const transform = (chunk: Uint8Array, to: TransformStreamDefaultController<Uint8Array>) => {
      onTaken()
      to.enqueue(chunk)
    }
    return data.stream().pipeThrough(new TransformStream({ transform }))
  }
  return Object.assign(told, { stream })
}

const unread = (path: string, cause: CairnError | undefined) =>
  new UnavailableError(`${JSON.stringify(path)} may be on the server and cannot be read from there now`, { cause })
