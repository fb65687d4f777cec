import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'

/** What the framework is given beside the request: the request as it came over the socket. */
export interface Env {
  Bindings: { readonly incoming?: Pick<IncomingMessage, 'url'> }
}

/** One request on its way to its answer. */
export type Asked = Context<Env>

/** Path and query as they came: a `Request` has resolved what leads upwards, and hidden that it was there. */
export const rawUrl = (request: Request, env?: Env['Bindings']): string =>
  env?.incoming?.url ?? request.url.replace(/^[a-z]+:\/\/[^/]*/i, '')

export const pathOf = (url: string): string => url.replace(/[?#].*$/s, '')

export const queryOf = (asked: Asked): URLSearchParams =>
  new URLSearchParams(/\?(.*)$/s.exec(rawUrl(asked.req.raw, asked.env))?.[1] ?? '')
