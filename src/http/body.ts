import { Buffer, isUtf8 } from 'node:buffer'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import {
  brotliDecompress,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  gunzip,
  inflate,
  inflateRaw,
  type ZlibOptions,
} from 'node:zlib'
import { ProtocolError } from '../errors.js'

const unzip = promisify(gunzip)
const [wrapped, raw] = [promisify(inflate), promisify(inflateRaw)]
/** Some leave out the header of zlib, which tells its method, 8, in its first four bits. */
const inflated = (packed: Buffer, how: ZlibOptions): Promise<Buffer> =>
  ((packed[0] as number) & 15) === 8 ? wrapped(packed, how) : raw(packed, how)
const whole = { gzip: unzip, 'x-gzip': unzip, deflate: inflated, br: promisify(brotliDecompress) }
const streaming = { gzip: createGunzip, 'x-gzip': createGunzip, deflate: createInflate, br: createBrotliDecompress }

/** How a body is to be unpacked; one that was packed in a way nobody asked for is let go with an error. */
function packing(body: Readable, encoding: string | undefined, url: string): keyof typeof whole | undefined {
  const names = (encoding ?? '').split(',').map((one) => one.trim().toLowerCase())
  const name = names.filter((one) => one !== '' && one !== 'identity').join(', ')
  if (name === '') return undefined
  if (name in whole) return name as keyof typeof whole
  letGo(body)
  throw new ProtocolError(`${url} answered in an encoding that was not asked for (${name.slice(0, 40)})`, { url })
}

/** Gives up a body that nobody reads, and its connection with it. */
export const letGo = (body: Readable): void => void body.on('error', () => undefined).destroy()

/** The code of a body that was let go because it is too large. */
export const TOO_LARGE = 'ANSWER_TOO_LARGE'

const tooLarge = (url: string, limit: number) =>
  new ProtocolError(`${url} answered more than ${limit} bytes; ask for fewer at once (maxResults)`, {
    url,
    code: TOO_LARGE,
  })

/** The body of an answer, as undici gives it. */
export type Body = Readable & { arrayBuffer(): Promise<ArrayBuffer> }

export interface ReadOptions {
  readonly encoding: string | undefined
  readonly limit: number
  /** What the answer says of its own length. */
  readonly length?: string | undefined
  readonly url: string
}

/** undici reads a whole body with less ado than a loop over its parts, and holds it against the length it was given. */
const wholeOf = async (body: Body): Promise<Buffer> => Buffer.from(await body.arrayBuffer())

async function within(limit: number, body: Body, url: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limit) throw tooLarge(url, limit)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const notPacked = (unpack: string, url: string, cause: unknown) =>
  new ProtocolError(`${url} answered a body that is not the ${unpack} it claims`, { url, cause, retryable: true })

/** Reads a body to its end as UTF-8; one that is something else, or (unpacked) more than `limit` bytes, is let go with an error. */
export async function readText(body: Body, { encoding, limit, length, url }: ReadOptions): Promise<string> {
  const unpack = packing(body, encoding, url)
  if (Number(length) > limit) {
    letGo(body)
    throw tooLarge(url, limit)
  }
  const packed = Number(length) <= limit ? await wholeOf(body) : await within(limit, body, url)
  if (!unpack || packed.length === 0) return decoded(packed, url)
  let bytes: Buffer
  try {
    bytes = await whole[unpack](packed, { maxOutputLength: limit })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(url, limit)
    throw notPacked(unpack, url, error)
  }
  return decoded(bytes, url)
}

function decoded(bytes: Buffer, url: string): string {
  if (!isUtf8(bytes))
    throw new ProtocolError(`${url} answered a text that is not UTF-8; something between may have changed it`, { url })
  return bytes.toString('utf8').replace(/^\uFEFF/, '')
}

/** A body as a stream of the platform, unpacked; `explain` makes its failures ours. */
export function readStream(
  body: Readable,
  { encoding, url, explain }: { encoding: string | undefined; url: string; explain: (error: unknown) => unknown },
): ReadableStream<Uint8Array> {
  const unpack = packing(body, encoding, url)
  const source = unpack ? body.on('error', (error) => unpacked?.destroy(error)) : body
  const unpacked = unpack ? source.pipe(streaming[unpack]()) : undefined
  const chunks = (unpacked ?? source)[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await chunks.next()
        if (done) controller.close()
        else controller.enqueue(value)
      } catch (error) {
        letGo(body)
        const isZlib = /^Z_|^ERR_(BROTLI|_ERROR)/.test((error as NodeJS.ErrnoException).code ?? '')
        controller.error(explain(isZlib ? notPacked(String(unpack), url, error) : error))
      }
    },
    cancel() {
      letGo(body)
    },
  })
}

/** Above this many bytes a Blob is streamed, so that memory does not grow with the file. */
const HELD = 1 << 20

/** A body as undici sends it, with its length known: a chunked upload is stored as nothing by MLflow's servers. */
export async function outgoing(
  body: string | Uint8Array | Blob | undefined,
): Promise<{ body: string | Uint8Array | Readable | null; length: number | undefined }> {
  if (body === undefined) return { body: null, length: undefined }
  if (typeof body === 'string') return { body, length: Buffer.byteLength(body) }
  if (body instanceof Uint8Array) return { body, length: body.byteLength }
  if (body.size <= HELD) return { body: new Uint8Array(await body.arrayBuffer()), length: body.size }
  return { body: Readable.fromWeb(body.stream() as Parameters<typeof Readable.fromWeb>[0]), length: body.size }
}

/** Reads a short answer to its end, so that its connection is kept; a long one is broken off. */
export async function drain(body: Readable): Promise<void> {
  let read = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      read += chunk.length
      if (read > 1 << 16) break
    }
  } catch {
    // The answer it belonged to is thrown away.
  }
}
