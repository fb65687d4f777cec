import { checkedInUse, checkOptions, orNull, type Rules, record } from '../core/options.js'
import type { BodyLimits } from './body.js'
import { searchThread } from './search-thread.js'
import type { RunningServer, ServerOptions } from './start.js'

export type { BodyLimits } from './body.js'
export type { ListenOptions } from './listen.js'
export type { RunningServer, ServerOptions } from './start.js'

const OPTIONS: Rules<ServerOptions> = {
  trackingUri: checkedInUse,
  registryUri: checkedInUse,
  host: checkedInUse,
  port: checkedInUse,
  allowedHosts: checkedInUse,
  token: checkedInUse,
  limits: orNull(record<BodyLimits>({ json: checkedInUse, artifact: checkedInUse, patienceMs: checkedInUse })),
  maxConnections: checkedInUse,
  headMs: checkedInUse,
  idleMs: checkedInUse,
  auth: checkedInUse,
  headers: checkedInUse,
  dispatcher: checkedInUse,
  logger: checkedInUse,
}

/**
 * Serves MLflow's REST API and a page to look at runs, from a local store or in front of another server. It listens on
 * loopback unless told otherwise. Throws `NetworkError` when the port is taken, `InvalidParameterError` for options that
 * make no sense.
 */
export async function startServer(options: ServerOptions = {}): Promise<RunningServer> {
  checkOptions('startServer takes options, like { port: 5000 }', options, OPTIONS)
  // It looks through the store while the rest is loaded.
  const thread = searchThread(options.trackingUri)
  try {
    const { serve } = await import('./start.js')
    return await serve(options, thread)
  } catch (error) {
    await thread?.close()
    throw error
  }
}
