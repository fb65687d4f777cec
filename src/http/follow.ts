import { drain } from './body.js'
import type { Exchange } from './exchange.js'
import type { Places } from './places.js'
import { hopOf, MOST_HOPS } from './redirect.js'
import { header, isHtmlType } from './refusal.js'
import type { HttpRequest } from './send.js'

/** Asks for downloads, each wherever it is to be had: `at` is the request that was answered in the end, bare of all that is ours where `isBare`. */
export function following({ answer, once }: Exchange, { home, placeOf, told }: Places) {
  return async (request: HttpRequest, signal: AbortSignal) => {
    let at = request
    let isBare = false
    let got = await answer(request, signal)
    for (let hops = 0; request.mayRedirect && hops < MOST_HOPS; hops++) {
      const hop = hopOf(got.statusCode, header(got.headers, 'location'), placeOf(at), home.hostname)
      if (!hop) break
      const next = { ...request, ...hop }
      const isElsewhere = hop.origin !== home.origin
      const found = await once(next, signal, isElsewhere).catch((error: unknown) => {
        throw told(error, next)
      })
      const isPage =
        found.statusCode < 300 &&
        isHtmlType(header(found.headers, 'content-type')) &&
        !/\.([xsm]?html?|xht)$/i.test(request.path)
      await drain((isPage ? found : got).body)
      // Where a file was asked for, a page is one that wants a login.
      if (isPage) break
      got = found
      at = next
      isBare = isElsewhere
    }
    return { got, at, isBare }
  }
}
