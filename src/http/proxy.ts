import { BlockList, isIP } from 'node:net'
import { percentDecoded } from '../core/percent.js'
import { InvalidParameterError } from '../errors.js'
import { basicOf } from './auth.js'
import { printable } from './url.js'

/** Which proxy stands in front of which servers, by the meaning of the variables of the same names. */
export interface ProxyOptions {
  readonly httpProxy?: string | undefined
  readonly httpsProxy?: string | undefined
  /** Hosts that are reached directly: names (with all below them), addresses, `10.0.0.0/8`, `host:port`, `*`. */
  readonly noProxy?: string | undefined
}

/** What to do about a proxy that stands in the way. */
export const OTHER_WAY = 'check HTTPS_PROXY or HTTP_PROXY, or name the host of the server in NO_PROXY'

/** The proxy that requests to `origin` go through; `undefined` when they go directly. */
export function proxyFor(origin: string, { httpProxy, httpsProxy, noProxy }: ProxyOptions): string | undefined {
  const url = new URL(origin)
  const proxy = url.protocol === 'https:' ? httpsProxy : httpProxy
  return proxy && !isExempt(url, noProxy ?? '') ? checked(proxy) : undefined
}

/** Whether a list like `NO_PROXY`'s names the host. */
function isExempt({ hostname, port, protocol }: URL, list: string): boolean {
  const host = bareHost(hostname.toLowerCase())
  const at = port || (protocol === 'https:' ? '443' : '80')
  return list
    .toLowerCase()
    .split(/[,\s]+/)
    .filter(Boolean)
    .some((entry) => {
      if (entry === '*') return true
      if (isIP(host) && entry.includes('/')) return isWithin(host, entry.replace(/[[\]]/g, ''))
      const [, name = '', wanted] = /^(\[[^\]]*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(entry) ?? []
      if (wanted !== undefined && wanted !== at) return false
      const bare = bareHost(name).replace(/^\*?\./, '')
      if (isIP(host)) return isIP(bare) !== 0 && isWithin(host, `${bare}/${isIP(bare) === 6 ? 128 : 32}`)
      return bare !== '' && (host === bare || host.endsWith(`.${bare}`))
    })
}

/** Without the brackets of an address, or the dot at the end of a whole name. */
const bareHost = (host: string): string => host.replace(/^\[|\]$|\.$/g, '')

function isWithin(host: string, range: string): boolean {
  const [network = '', bits = ''] = range.split('/')
  const family = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4')
  try {
    const block = new BlockList()
    block.addSubnet(network, Number(bits), family(network))
    return block.check(host, family(host))
  } catch {
    return false
  }
}

/** What a proxy is shown to be let through, also as it goes over the wire: one may send it back. */
export function proxyKeys({ httpProxy, httpsProxy }: ProxyOptions): string[] {
  return [httpProxy, httpsProxy].flatMap((text) => {
    const uri = text && uriOf(text)
    if (!uri || !URL.canParse(uri)) return []
    const { username, password } = new URL(uri)
    return username || password ? [basicOf(percentDecoded(username) ?? '', percentDecoded(password) ?? '')] : []
  })
}

/** Two slashes, and one `@` at the most, before the host. */
function isWhole(uri: string): boolean {
  if (!/^https?:\/\/([^/@]*@)?[^/@]+(\/[^@]*)?$/i.test(uri) || !URL.canParse(uri)) return false
  const { username, password } = new URL(uri)
  return percentDecoded(username) !== undefined && percentDecoded(password) !== undefined
}

const uriOf = (text: string): string => (/^[a-z][a-z0-9+.-]*:\//i.test(text) ? text : `http://${text}`)

function checked(text: string): string {
  const uri = uriOf(text)
  const isHttp = /^https?:\//i.test(uri)
  if (isHttp && isWhole(uri)) return uri
  if (isHttp)
    // Not shown: there may be a password in it.
    throw new InvalidParameterError(
      'The address of the proxy (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY) is none: it reads http://host:port or http://user:password@host:port, with /, @, : and % in user and password as %2F, %40, %3A and %25',
      { notSent: true },
    )
  throw new InvalidParameterError(
    `Cairn goes through http and https proxies, not through ${printable(uri)} (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY): for SOCKS put an HTTP proxy in front of it, or name the server in NO_PROXY to reach it directly`,
    { notSent: true },
  )
}
