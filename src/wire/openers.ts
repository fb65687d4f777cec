import type { OpenArtifacts } from '../artifacts/store.js'
import { onceFor } from '../core/remembered.js'
import type { HttpSettings, Settings } from '../settings.js'
import { outageOf } from '../spool/outage.js'
import { withoutSecrets } from '../spool/place.js'
import type { Transport } from '../transport/transport.js'
import { tellOfDatabase } from './file-store.js'
import type { Logger } from './logger.js'
import { isPluggedIn, type PluginContext, type Plugins, transportOf } from './plugins.js'
import { openRemote, type Remote, type RemoteOptions } from './remote.js'

/** The workspace of a server that is meant. */
export type Within = { readonly workspace?: string | undefined }

/** What opens the backends of one client, each once; what fails to open is tried anew by the next call. */
export interface Openers {
  /** What makers of transports and stores are given. */
  readonly context: PluginContext
  readonly transport: (uri: string) => Promise<Transport>
  /** The way to an MLflow server, in the workspace of the settings unless another is named. */
  readonly remote: (uri: string, within?: Within) => Promise<Remote>
  /** Gives up after seconds. */
  readonly impatient: (uri: string) => Promise<Transport>
  /** One try for each call; one that may have been made before is looked for, also where a user's own transport does not. */
  readonly once: (uri: string, within?: Within) => Promise<Transport>
  /** Closes all that was opened. */
  readonly close: () => Promise<void>
}

interface OpenersDeps {
  readonly options: RemoteOptions & Plugins
  readonly settings: Settings
  readonly trackingUri: string
  readonly registryUri: string
  /** Whether it was said where runs go. */
  readonly chosen: boolean
  readonly logger: Logger
  readonly warnOnce: (message: string) => void
  /** The settings as they are by now. */
  readonly renew: () => HttpSettings
  readonly openAnyPlace: OpenArtifacts
}

/** Opens transports and ways to servers when they are first asked for. */
export function openers(deps: OpenersDeps): Openers {
  const { options, settings, trackingUri, registryUri, chosen, logger, warnOnce, renew, openAnyPlace } = deps
  const opened = new Map<string, Promise<Transport>>()
  const remotes = new Map<string, Promise<Remote>>()
  const context: PluginContext = {
    settings,
    trackingUri,
    registryUri,
    logger,
    openTransport: transport,
    openArtifacts: openAnyPlace,
    openRemote: remote,
  }

  function transport(uri: string): Promise<Transport> {
    return onceFor(opened, uri, () => {
      const made = Promise.resolve(transportOf(uri, options)(uri, context))
      if (!chosen && uri === trackingUri) void tellOfDatabase(warnOnce)
      return made
    })
  }

  function remote(uri: string, { workspace }: Within = settings.http): Promise<Remote> {
    return onceFor(remotes, JSON.stringify([uri, workspace]), async () => {
      // What carries the spool is loaded with it, while files can be opened: a module that could not be is never loaded later.
      await import('./carrier.js')
      const outage = outageOf(withoutSecrets(uri), logger)
      return openRemote(uri, { ...settings.http, workspace }, { ...options, warn: warnOnce, renew, outage })
    })
  }

  return {
    context,
    transport,
    remote,
    impatient: async (uri) => (isPluggedIn(uri, options) ? transport(uri) : (await remote(uri)).impatient),
    async once(uri, within) {
      if (!isPluggedIn(uri, options)) return (await remote(uri, within)).once
      const { withRetry } = await import('../transport/retry.js')
      return withRetry(await transport(uri), { rules: { attempts: 1 } })
    },
    async close() {
      // What carries the spool opened a way to the server by itself.
      const ways = [...remotes.values()].map(async (way) => (await way).transport)
      const all = await Promise.allSettled([...opened.values(), ...ways])
      await Promise.all(all.map((made) => made.status === 'fulfilled' && made.value.close()))
    },
  }
}
