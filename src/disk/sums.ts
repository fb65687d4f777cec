import { crc32 } from 'node:zlib'
import { IntegrityError } from '../errors.js'
import { streamOf } from './files.js'

/** By what the bytes of a file are known again. */
export interface Sum {
  readonly size: number
  readonly crc32: number
}

/** The same stream, and the sum of what has come through it by then. */
export function summed(data: ReadableStream<Uint8Array>): {
  readonly data: ReadableStream<Uint8Array>
  readonly sum: () => Sum
} {
  let size = 0
  let crc = 0
  const through = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, to) {
      size += chunk.byteLength
      crc = crc32(chunk, crc)
      to.enqueue(chunk)
    },
  })
  return { data: data.pipeThrough(through), sum: () => ({ size, crc32: crc }) }
}

/** The sum of a file, read piece by piece. */
export async function sumOf(file: string, signal?: AbortSignal): Promise<Sum> {
  let size = 0
  let crc = 0
  for await (const chunk of await streamOf(file)) {
    signal?.throwIfAborted()
    size += chunk.byteLength
    crc = crc32(chunk, crc)
  }
  return { size, crc32: crc }
}

/** Throws an `IntegrityError` when a file is not what was written. */
export async function checkSum(file: string, wanted: Sum, signal?: AbortSignal): Promise<void> {
  const { size, crc32: crc } = await sumOf(file, signal)
  if (size !== wanted.size)
    throw new IntegrityError(`${file} is damaged: it has ${size} bytes, and ${wanted.size} were written`)
  if (crc !== wanted.crc32) throw new IntegrityError(`${file} is damaged: its checksum is not that of what was written`)
}
