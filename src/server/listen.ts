import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createAdaptorServer, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { NetworkError } from '../errors.js'
import { endingOf } from './reply.js'

/** What becomes of one request. */
export type Handle = (request: Request, socket: HttpBindings) => Response | Promise<Response>

/** A listening server. */
export interface Listening {
  readonly host: string
  readonly port: number
  /** Takes no more requests, lets those being answered finish for `graceMs` (none by default), breaks what is left. */
  close(graceMs?: number): Promise<void>
}

/** Where a server listens, and how much patience it has with connections. */
export interface ListenOptions {
  /** An address of this machine; default 127.0.0.1. */
  readonly host?: string | undefined
  /** Default: any that is free. */
  readonly port?: number | undefined
  /** Connections at a time; one more is closed at once. Default 1,000. */
  readonly maxConnections?: number | undefined
  /** Longest time for a request's head, and longest silence on a connection, in milliseconds; default 15,000 and 60,000. */
  readonly headMs?: number | undefined
  readonly idleMs?: number | undefined
}

const HEAD_BYTES = 32 * 1024
/** The longest upload; what it says of itself is watched by `idleMs`. */
const REQUEST_MS = 6 * 3_600_000

/** Listens and lets `handle` answer. `NetworkError` when the port is taken. */
export async function listen(handle: Handle, options: ListenOptions = {}): Promise<Listening> {
  const { host = '127.0.0.1', port = 0, maxConnections = 1_000, headMs = 15_000, idleMs = 60_000 } = options
  let isClosing = false
  const server = createAdaptorServer({
    fetch: async (request, bindings) => {
      const { outgoing } = bindings as HttpBindings
      const response = await handle(request, bindings as HttpBindings)
      // Kept open for a next request, which would not be taken, it would hold the server up.
      if (isClosing) outgoing.shouldKeepAlive = false
      return endingOf(response) ? send(response, outgoing) : response
    },
    // The process is its user's: its Request and Response stay what they are.
    overrideGlobalObjects: false,
    serverOptions: {
      maxHeaderSize: HEAD_BYTES,
      headersTimeout: headMs,
      requestTimeout: REQUEST_MS,
      connectionsCheckingInterval: Math.min(5_000, headMs),
    },
  }) as Server
  server.maxConnections = maxConnections
  server.timeout = idleMs
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new NetworkError(`Cannot listen at ${host}:${port}: ${cause.message}`, { cause, retryable: false })),
    )
    server.listen(port, host, resolve)
  })
  return {
    host,
    port: (server.address() as AddressInfo).port,
    close(graceMs = 0) {
      isClosing = true
      return closed(server, graceMs)
    },
  }
}

function closed(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
    if (graceMs === 0) server.closeAllConnections()
  })
}

/** What breaks off in the middle, on either side, breaks the connection: an answer that stops short must not look whole. */
async function send(response: Response, outgoing: ServerResponse): Promise<Response> {
  outgoing.writeHead(response.status, Object.fromEntries(response.headers))
  if (!response.body) {
    outgoing.end()
    return RESPONSE_ALREADY_SENT
  }
  const cut = endingOf(response) === 'cut'
  const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0])
  await pipeline(body, outgoing, { end: !cut }).catch(() => outgoing.destroy())
  // Time for what was sent to leave: breaking at once would take it back.
  if (cut) setTimeout(() => outgoing.destroy(), 20)
  return RESPONSE_ALREADY_SENT
}
