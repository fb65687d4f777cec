import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecure } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Seen } from './answering.js'

/** Meets a request; true when it answers, or does not mean to, in the server's place. */
export type Meet = (seen: Seen, response: ServerResponse, count: number) => boolean

export interface Between {
  readonly url: string
  readonly port: number
  /** What the requests are met with from now on. */
  meet: Meet
  readonly seen: Seen[]
  close(): Promise<void>
}

export interface BetweenOptions {
  /** Any free one by default. */
  readonly port?: number
  readonly tls?: { readonly cert: string; readonly key: string }
  /** Told of every connection, before any TLS. */
  readonly onSocket?: () => void
}

/** Whether a request carries entries to a run. */
export const carriesBatch = ({ url }: Seen): boolean => url.endsWith('/runs/log-batch')

/** A server in front of another, with or without TLS, that passes on what the test does not meet. */
export async function between(
  target: string,
  first: Meet = () => false,
  options: BetweenOptions = {},
): Promise<Between> {
  const to = new URL(target)
  const sockets = new Set<Socket>()
  const seen: Seen[] = []

  function pass(incoming: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const headers = { ...incoming.headers, host: to.host }
    const { method } = incoming
    // A proxy is asked for whole addresses.
    const path = incoming.url?.replace(/^http:\/\/[^/]*/, '')
    const out = ask({ hostname: to.hostname, port: to.port, path, method, headers, agent: false }, (answer) => {
      const { connection: _, ...kept } = answer.headers
      response.writeHead(answer.statusCode as number, kept)
      answer.on('error', () => response.destroy())
      answer.pipe(response)
    })
    out.on('error', () => response.destroy())
    out.end(body)
  }

  function answer(incoming: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('error', () => undefined)
    response.on('error', () => undefined)
    incoming.on('end', () => {
      const body = Buffer.concat(chunks)
      const { method = '', url = '', headers } = incoming
      const one = { method, url, headers, body: body.toString('utf8') }
      seen.push(one)
      if (!made.meet(one, response, seen.length)) pass(incoming, response, body)
    })
  }

  const server = options.tls ? createSecure(options.tls, answer) : createServer(answer)
  server.on('connection', (socket: Socket) => {
    options.onSocket?.()
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const made: Between = {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    meet: first,
    seen,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
  return made
}
