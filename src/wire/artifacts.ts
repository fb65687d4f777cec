import { checkSource } from '../artifacts/location.js'
import { artifactOpener } from '../artifacts/open.js'
import type { OpenArtifacts } from '../artifacts/store.js'
import type { Openers, Within } from './openers.js'
import { artifactStoresWith, type PluginContext, type Plugins } from './plugins.js'

/** Opens artifacts by URI, those that a server passes on from `server`, in one of the ways of a `Remote`. */
export type PlacesBehind = (
  server: string,
  way: 'artifacts' | 'impatientArtifacts' | 'artifactsOnce',
  within?: Within,
) => OpenArtifacts

interface Places {
  /** Any place, unchecked: one that a user names, or that was checked before. */
  readonly any: PlacesBehind
  /** A place that the server itself names, to read and to write alike: none on this machine unless the two share a disk. */
  readonly named: PlacesBehind
}

/** The artifact stores of one client, built in and plugged in. */
export function places(
  { context, remote }: Pick<Openers, 'context' | 'remote'>,
  plugins: Plugins,
  sharesDisk: (server: string) => boolean,
): Places {
  const any: PlacesBehind = (server, way, within) => {
    const openRemote: PluginContext['openRemote'] = async (uri) => {
      const found = await remote(uri, within)
      return { ...found, artifacts: found[way] }
    }
    const at = { ...context, trackingUri: server, openRemote }
    // At each call: somebody may register a store meanwhile.
    return (uri) => {
      const known = Object.entries(artifactStoresWith(plugins))
      return artifactOpener(Object.fromEntries(known.map(([scheme, make]) => [scheme, (of) => make(of, at)])))(uri)
    }
  }
  return {
    any,
    named(server, way, within) {
      const open = any(server, way, within)
      return (uri) => open(checkSource(uri, sharesDisk(server)))
    },
  }
}
