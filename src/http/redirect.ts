import { isLoopback } from './url.js'

/** Where a download goes on, as a request to another address. */
export interface Hop {
  readonly origin: string
  readonly path: string
}

const REDIRECTS = new Set([301, 302, 303, 307, 308])
/** A chain that is longer is taken for a loop. */
export const MOST_HOPS = 5

/** Addresses that only machines of one network, or of one cloud, can reach: not for a server elsewhere to send us to. */
const isNear = (hostname: string): boolean =>
  isLoopback(hostname) || /^(169\.254\.|0\.|\[::\]|\[fe80:|\[::ffff:)/i.test(hostname)

/**
 * Where an answer leads a download: another `https:` address, with nothing of ours in it. Undefined when it is no redirect,
 * or one that is not followed: to plain http, to a user's name, or to what only this machine can reach unless `hostname`,
 * that of the server, is such a place itself.
 */
export function hopOf(status: number, location: string | undefined, from: string, hostname: string): Hop | undefined {
  if (!REDIRECTS.has(status) || location === undefined || !URL.canParse(location, from)) return undefined
  const to = new URL(location, from)
  if (to.protocol !== 'https:' || to.username !== '' || to.password !== '') return undefined
  if (isNear(to.hostname) && !isNear(hostname)) return undefined
  return { origin: to.origin, path: to.pathname + to.search }
}
