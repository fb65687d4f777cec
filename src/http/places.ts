import type { CairnError } from '../errors.js'
import { failure } from './failure.js'
import { proxyFor } from './proxy.js'
import type { HttpRequest, SenderOptions } from './send.js'
import { type Address, parseAddress } from './url.js'

/** Where the requests of one sender go: to its server, or elsewhere with a file. */
export interface Places {
  /** The address of the server. */
  readonly home: Address
  addressOf(request: HttpRequest): Address
  /** Whether a place is sent the credentials of this server. */
  isTrusted(place: Address): boolean
  /** The whole address of a request, fit for a message. */
  placeOf(request: HttpRequest): string
  /** The host of the proxy that a request goes through. */
  proxyOf(request: HttpRequest): string | undefined
  /** What a request failed with, as one of ours that names where it went. */
  told(error: unknown, at: HttpRequest): CairnError
}

/** The places that are seen from a server's address. */
export function places(home: Address, { dispatcher, proxy = {} }: SenderOptions): Places {
  const addressOf = ({ origin }: HttpRequest) => (origin === undefined ? home : parseAddress(origin))

  function placeOf(request: HttpRequest): string {
    const target = addressOf(request)
    return target.origin + target.path + request.path.replace(/\?.*$/, '')
  }

  function proxyOf(request: HttpRequest): string | undefined {
    const through = dispatcher ? undefined : proxyFor(addressOf(request).origin, proxy)
    return through && new URL(through).host
  }

  return {
    home,
    addressOf,
    isTrusted: ({ hostname, origin }) =>
      hostname === home.hostname && !(home.origin.startsWith('https:') && origin.startsWith('http:')),
    placeOf,
    proxyOf,
    told: (error, at) => failure(error, placeOf(at), proxyOf(at)),
  }
}
