import { InvalidParameterError } from '../errors.js'
import { schemeOf } from './location.js'
import type { OpenArtifacts } from './store.js'

/**
 * Opens artifact stores by the scheme of the URI, from a table that is all there is; a plain path counts as `file`.
 * An unknown scheme is an `InvalidParameterError` naming the known ones.
 */
export const artifactOpener =
  (schemes: Readonly<Record<string, OpenArtifacts>>): OpenArtifacts =>
  (uri) => {
    const scheme = schemeOf(uri)
    const open = Object.hasOwn(schemes, scheme) ? schemes[scheme] : undefined
    if (!open)
      throw new InvalidParameterError(
        `There is no artifact store for ${scheme}: URIs (${JSON.stringify(uri.slice(0, 200))}); known are ${Object.keys(schemes).join(', ')}; add one with registerArtifactStore, or let the server pass files on (mlflow server --serve-artifacts)`,
      )
    return open(uri)
  }
