import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { checkLocalPath } from '../artifacts/paths.js'
import { factsBehind, factsOf, makeDirs, saveStream, streamOf } from '../disk/files.js'
import { CairnError, IntegrityError, UnsafePathError } from '../errors.js'

/** What a bundle may hold at most. */
export interface BundleLimits {
  readonly entries: number
  /** All files together, unpacked. */
  readonly bytes: number
  /** Directories in directories. */
  readonly depth: number
  /** Unpacked bytes per packed one, looked at past 64 MiB. */
  readonly ratio: number
}

export const BUNDLE_LIMITS: BundleLimits = { entries: 100_000, bytes: 64 * 2 ** 30, depth: 32, ratio: 200 }
const RATIO_FROM = 64 * 2 ** 20
const META_BYTES = 64 * 1024

/** Case, composition and ligatures put aside: two names that fold alike may be one file on another disk. */
const fold = (path: string): string => path.normalize('NFKC').toUpperCase().normalize('NFKC')

/** The names of a bundle as they come: each checked, none twice, none that differs from another in case alone. */
function register({ entries, depth }: BundleLimits) {
  const seen = new Map<string, { readonly path: string; readonly isFile: boolean }>()
  return (given: string, isFile: boolean): string => {
    const path = checkLocalPath(given.replace(/^\.\//, '').replace(/\/$/, ''))
    if (path === '') return path
    const segments = path.split('/')
    if (segments.length > depth)
      throw new IntegrityError(`The bundle nests ${segments.length} deep; at most ${depth} is read`)
    for (let count = 1; count <= segments.length; count++) {
      const part = segments.slice(0, count).join('/')
      const isLast = count === segments.length
      const known = seen.get(fold(part))
      if (known && known.path !== part)
        throw new IntegrityError(
          `The bundle holds ${JSON.stringify(known.path)} and ${JSON.stringify(part)}, which are one name on some disks`,
        )
      if (known && (known.isFile || (isLast && isFile)))
        throw new IntegrityError(`The bundle holds ${JSON.stringify(part)} twice`)
      if (!known) seen.set(fold(part), { path: part, isFile: isLast && isFile })
      if (seen.size > entries) throw new IntegrityError(`The bundle holds more than ${entries} entries`)
    }
    return path
  }
}

interface Entry extends AsyncIterable<Uint8Array> {
  readonly path: string
  readonly type: string
  readonly size: number
  readonly meta: boolean
  readonly ignore: boolean
  resume(): void
}

/**
 * Unpacks a bundle into `dir`, an empty folder. Only files and directories are taken; a link, a device, a path that leads
 * out, a name twice, a warning of the reader's, or more than the limits is an `IntegrityError` or `UnsafePathError`, and the
 * caller throws the folder away.
 */
export async function readBundle(
  file: string,
  dir: string,
  {
    signal,
    limits = BUNDLE_LIMITS,
  }: { readonly signal?: AbortSignal | undefined; readonly limits?: BundleLimits } = {},
): Promise<void> {
  const packed = (await factsBehind(file))?.size ?? 0
  const claim = register(limits)
  const { Parser } = await import('tar')
  const end = new AbortController()
  const until = signal ? AbortSignal.any([signal, end.signal]) : end.signal
  let total = 0
  let work: Promise<void> = Promise.resolve()

  async function take(entry: Entry): Promise<void> {
    until.throwIfAborted()
    const isFile = entry.type === 'File' || entry.type === 'OldFile'
    if (!isFile && entry.type !== 'Directory')
      throw new UnsafePathError(
        `The bundle ${file} holds ${JSON.stringify(entry.path.slice(0, 200))}, a ${entry.type}; only files and directories are read`,
      )
    const path = claim(entry.path, isFile)
    if (!Number.isSafeInteger(entry.size) || entry.size < 0)
      throw new IntegrityError(`The bundle ${file} gives ${JSON.stringify(path)} the size ${entry.size}`)
    total += entry.size
    if (total > limits.bytes) throw new IntegrityError(`The bundle ${file} holds more than ${limits.bytes} bytes`)
    const to = join(dir, ...path.split('/'))
    if (!isFile) {
      entry.resume()
      await makeDirs(to)
      return
    }
    if (path === '') throw new IntegrityError(`The bundle ${file} holds a file without a name`)
    await makeDirs(dirname(to))
    await saveStream(to, ReadableStream.from(entry) as ReadableStream<Uint8Array>, {
      signal: until,
      size: entry.size,
      mode: 0o600,
    })
  }

  let fail: (error: unknown) => void = () => {}
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  failed.catch(() => {})
  const parser = new Parser({
    strict: true,
    maxMetaEntrySize: META_BYTES,
    onReadEntry: (entry) => {
      work = work.then(() => take(entry as unknown as Entry))
      work.catch(fail)
    },
  })
  parser.on('error', fail)
  parser.on('meta', (meta: string) => {
    // The reader would cut the name there, and make another one of it.
    if (/^\d+ /.test(meta) && meta.includes('\0')) fail(new IntegrityError(`The bundle ${file} has a NUL in a header`))
  })
  const ended = once(parser, 'end').then(() => {})
  ended.catch(() => {})
  const pumping = pump(file, parser, { signal: until, packed, limits })
  try {
    await Promise.race([pumping, failed])
    await Promise.race([ended, failed])
    await Promise.race([work, failed])
  } catch (error) {
    // Nobody may write into the folder any more once it is thrown away.
    end.abort()
    await Promise.allSettled([work, pumping])
    signal?.throwIfAborted()
    throw error instanceof CairnError
      ? error
      : new IntegrityError(`The bundle ${file} is damaged: ${(error as Error).message}`, { cause: error })
  }
  if ((await factsOf(join(dir, 'MLmodel')))?.kind !== 'file')
    throw new IntegrityError(`The bundle ${file} has no MLmodel at its top, so it holds no model`)
}

interface Pumping {
  readonly signal: AbortSignal
  readonly packed: number
  readonly limits: BundleLimits
}

interface Sink {
  write(chunk: Buffer): boolean
  end(): void
  once(event: 'drain', listener: () => void): unknown
}

async function pump(file: string, parser: Sink, { signal, packed, limits }: Pumping): Promise<void> {
  const source = (await streamOf(file)) as unknown as AsyncIterable<Uint8Array>
  let unpacked = 0
  const feed = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of chunks) {
      // Inside a bundle lies a tar, not another archive that the parser would unpack, too.
      if (unpacked === 0 && ((chunk[0] === 0x1f && chunk[1] === 0x8b) || (chunk[0] === 0x28 && chunk[1] === 0xb5)))
        throw new IntegrityError(`The bundle ${file} is compressed twice`)
      unpacked += chunk.byteLength
      if (unpacked > RATIO_FROM && unpacked > packed * limits.ratio)
        throw new IntegrityError(`The bundle ${file} unpacks to over ${limits.ratio} times its size`)
      if (!parser.write(chunk)) await drained(parser, signal)
    }
    parser.end()
  }
  await pipeline(source, createGunzip(), feed, { signal })
}

const drained = (parser: Sink, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const give = (): void => reject(signal.reason)
    signal.addEventListener('abort', give, { once: true })
    parser.once('drain', () => {
      signal.removeEventListener('abort', give)
      resolve()
    })
  })
