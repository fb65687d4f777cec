import type { ArtifactStore } from '../artifacts/store.js'
import type { Asked } from './asked.js'
import { attachment, plain } from './reply.js'

/** Answers with one file of a store, or the part of it that `Range` asks for, as an attachment with its length. */
export async function sendFile(asked: Asked, store: ArtifactStore, path: string): Promise<Response> {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const range = asked.req.header('range')
  const size = await sizeOf(store, path)
  const read = async () => (asked.req.method === 'HEAD' ? null : store.read(path))
  if (size === undefined) return attachment(name, await read())
  const part = range === undefined ? undefined : partOf(range, size)
  if (part === 'unsatisfiable') {
    const response = plain('The range lies outside the file', 416)
    response.headers.set('content-range', `bytes */${size}`)
    return response
  }
  if (!part) return attachment(name, await read(), { headers: { 'content-length': String(size) } })
  const headers = {
    'content-length': String(part.end - part.start),
    'content-range': `bytes ${part.start}-${part.end - 1}/${size}`,
  }
  const whole = await read()
  return attachment(name, whole && sliced(whole, part), { status: 206, headers })
}

/** Stores tell sizes by listing alone. */
async function sizeOf(store: ArtifactStore, path: string): Promise<number | undefined> {
  const at = path.lastIndexOf('/')
  const entries = await store.list(at < 0 ? '' : path.slice(0, at)).catch(() => [])
  return entries.find((entry) => entry.path === path && !entry.isDir)?.size
}

interface Part {
  readonly start: number
  /** The first byte behind it. */
  readonly end: number
}

/** One range of bytes; several at once, and what is no range, are answered with the whole file, as HTTP allows. */
export function partOf(header: string, size: number): Part | 'unsatisfiable' | undefined {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header.trim()) ?? []
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from)
  const end = from === '' || to === '' ? size : Math.min(size, Number(to) + 1)
  if (to !== '' && from !== '' && Number(to) < Number(from)) return undefined
  return start >= size || end <= start ? 'unsatisfiable' : { start, end }
}

function sliced(stream: ReadableStream<Uint8Array>, { start, end }: Part): ReadableStream<Uint8Array> {
  const reader = stream.getReader()
  let at = 0
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return controller.close()
        const from = at
        at += value.byteLength
        if (at <= start) continue
        controller.enqueue(value.subarray(Math.max(0, start - from), Math.min(value.byteLength, end - from)))
        if (at < end) return
        controller.close()
        return reader.cancel()
      }
    },
    cancel: (reason) => reader.cancel(reason),
  })
}
