import { createHash, timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { type Env, pathOf, rawUrl } from './asked.js'
import { plain } from './reply.js'

/** Who is let in. */
export interface GuardOptions {
  /** The `Host` headers that are answered, exactly; a function where the port is known only later. */
  readonly hosts: () => readonly string[]
  /** Without it nobody is answered; loopback servers have none. */
  readonly token?: string | undefined
}

/** Where the token is kept once it has come by the address. */
const COOKIE = 'cairn_token'
/** Answered to everybody, as MLflow's servers do: they say nothing of what is stored. */
const OPEN = new Set(['/health', '/version'])

/**
 * Turns away what a page elsewhere can make a browser send: any other `Host` (a name that was rebound to this machine), a
 * change from another `Origin`, anything but a visit from another site; and, where there is a token, whoever does not
 * have it. It comes as `?token=` once and is a cookie from then on, or as a bearer.
 */
export const guard =
  ({ hosts, token }: GuardOptions): MiddlewareHandler<Env> =>
  async (asked, next) => {
    const { method, raw } = asked.req
    const url = rawUrl(raw, asked.env)
    const path = pathOf(url)
    if (OPEN.has(path)) return next()
    const own = hosts()
    const host = asked.req.header('host')
    if (host === undefined || !own.includes(host.toLowerCase()))
      return plain('Invalid Host header - possible DNS rebinding attack detected', 403)
    const origin = asked.req.header('origin')?.toLowerCase()
    const foreign =
      origin !== undefined && !own.some((name) => origin === `http://${name}` || origin === `https://${name}`)
    const visit = method === 'GET' && asked.req.header('sec-fetch-mode') === 'navigate'
    const elsewhere = asked.req.header('sec-fetch-site') === 'cross-site' && !visit
    if ((method !== 'GET' && foreign) || elsewhere) return plain('Cross-origin request blocked', 403)
    if (token === undefined) return next()

    const query = new URLSearchParams(/\?([^#]*)/.exec(url)?.[1] ?? '')
    const given = query.get('token')
    if (given !== null && method === 'GET' && same(given, token)) {
      query.delete('token')
      // Never `//elsewhere`, which a browser takes for another host.
      const to = `/${path.replace(/^[/\\]+/, '')}${query.size > 0 ? `?${query}` : ''}`
      const cookie = `${COOKIE}=${token}; HttpOnly; SameSite=Lax; Path=/`
      return new Response(null, {
        status: 303,
        headers: { location: to, 'set-cookie': cookie, 'cache-control': 'no-store' },
      })
    }
    if (candidates(asked.req.header('authorization'), asked.req.header('cookie')).some((one) => same(one, token)))
      return next()
    return plain(
      'This server answers those who have its token: open the address it printed when it started, or send it as a bearer (MLFLOW_TRACKING_TOKEN).',
      401,
    )
  }

function candidates(authorization = '', cookies = ''): string[] {
  const bearer = /^Bearer +(\S+)$/i.exec(authorization)?.[1]
  const cookie = cookies
    .split(';')
    .map((one) => one.trim())
    .find((one) => one.startsWith(`${COOKIE}=`))
    ?.slice(COOKIE.length + 1)
  return [bearer, cookie].filter((one) => one !== undefined)
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
const same = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b))
