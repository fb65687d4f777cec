import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blobOf, makeDirs, removeAll, saveStream } from '../disk/files.js'
import { InvalidParameterError } from '../errors.js'
import type { Asked } from './asked.js'
import { TooLarge, TooSlow } from './reply.js'

/** How much a request may bring, and how long it may take over it. */
export interface BodyLimits {
  /** Bytes of a body of JSON. */
  readonly json: number
  /** Bytes of an artifact. */
  readonly artifact: number
  /** Milliseconds until a body of JSON has to be there. */
  readonly patienceMs: number
}

export const defaultLimits: BodyLimits = { json: 32 << 20, artifact: 2 ** 40, patienceMs: 30_000 }

/** What fits in memory goes without a file. */
const SMALL = 1 << 20

function lengthOf(asked: Asked, most: number): number | undefined {
  const given = asked.req.header('content-length')
  if (given === undefined) return undefined
  const length = Number(given)
  if (length > most) throw new TooLarge(most)
  return length
}

/** The text of a body; `TooLarge`, `TooSlow`. */
export async function textOf(asked: Asked, { json, patienceMs }: BodyLimits): Promise<string> {
  const length = lengthOf(asked, json)
  if (length === 0) return ''
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TooSlow(patienceMs)), patienceMs)
  })
  try {
    // With a length, the parser below sees to it that no more comes.
    return await Promise.race([length === undefined ? collected(asked, json) : asked.req.text(), late])
  } finally {
    clearTimeout(timer)
  }
}

async function collected(asked: Asked, most: number): Promise<string> {
  const { body } = asked.req.raw
  if (!body) return ''
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    if (size > most) throw new TooLarge(most)
    chunks.push(chunk)
  }
  return new TextDecoder().decode(Buffer.concat(chunks))
}

/**
 * Gives `use` the body of an upload as a Blob that can be read twice: in memory when it is small, else from a file that
 * only this process's user can read and that is gone afterwards. Nothing is used of an upload that breaks off.
 */
export async function withUpload<T>(
  asked: Asked,
  { artifact }: BodyLimits,
  use: (data: Blob) => Promise<T>,
): Promise<T> {
  const length = lengthOf(asked, artifact)
  if (length !== undefined && length <= SMALL) return use(new Blob([await asked.req.arrayBuffer()]))
  const { body } = asked.req.raw
  if (!body) return use(new Blob([]))
  const dir = join(tmpdir(), `cairn-upload-${randomUUID()}`)
  await makeDirs(dir, 0o700)
  try {
    const file = join(dir, 'body')
    await saveStream(file, limited(body as ReadableStream<Uint8Array>, artifact), {
      mode: 0o600,
      ...(length === undefined ? {} : { size: length }),
    }).catch((cause: unknown) => {
      if (cause instanceof TooLarge) throw cause
      throw new InvalidParameterError('The upload broke off before it was whole', { cause })
    })
    return await use(await blobOf(file))
  } finally {
    await removeAll(dir)
  }
}

function limited(stream: ReadableStream<Uint8Array>, most: number): ReadableStream<Uint8Array> {
  let size = 0
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        size += chunk.byteLength
        if (size > most) controller.error(new TooLarge(most))
        else controller.enqueue(chunk)
      },
    }),
  )
}
