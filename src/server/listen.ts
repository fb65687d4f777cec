import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { NetworkError } from '../errors.js'
import type { Asked } from './answer.js'
import { plain, type Reply } from './reply.js'

/** What becomes of one request: a reply, or the socket's end. */
export type Handle = (asked: Asked) => Promise<Reply | 'hang up'>

/** A listening server. */
export interface Listening {
  readonly host: string
  readonly port: number
  /** Stops listening and breaks what is open. */
  close(): Promise<void>
}

export interface ListenOptions {
  /** An address of this machine; default 127.0.0.1. */
  readonly host?: string | undefined
  /** Default: any that is free. */
  readonly port?: number | undefined
  /** Largest request in bytes; default 1 GiB. */
  readonly maxBytes?: number | undefined
}

/** Listens and lets `handle` answer. `NetworkError` when the port is taken. */
export async function listen(handle: Handle, options: ListenOptions = {}): Promise<Listening> {
  const { host = '127.0.0.1', port = 0, maxBytes = 1 << 30 } = options
  const server = createServer((request, response) => {
    serve(handle, request, response, maxBytes).catch(() => response.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new NetworkError(`Cannot listen at ${host}:${port}: ${cause.message}`, { cause, retryable: false })),
    )
    server.listen(port, host, resolve)
  })
  return { host, port: (server.address() as AddressInfo).port, close: () => closed(server) }
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

async function serve(handle: Handle, request: IncomingMessage, response: ServerResponse, maxBytes: number) {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size <= maxBytes) chunks.push(chunk)
  }
  const { method = 'GET', url = '/', headers } = request
  const reply =
    size > maxBytes
      ? plain(`The request has more than ${maxBytes} bytes`, 413)
      : await handle({ method, url, headers, body: new Blob(chunks) })
  if (reply === 'hang up') {
    request.socket.destroy()
    return
  }
  await write(response, reply)
}

/** Sends a reply; a body of text with its length, any other in chunks. */
export async function write(response: ServerResponse, reply: Reply): Promise<void> {
  if (typeof reply.body === 'string') {
    const body = Buffer.from(reply.body)
    response.writeHead(reply.status, { 'content-length': body.length, ...reply.headers })
    response.end(body)
    return
  }
  response.writeHead(reply.status, reply.headers)
  await pipeline(Readable.fromWeb(reply.body as Parameters<typeof Readable.fromWeb>[0]), response)
}
