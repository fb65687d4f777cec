import { isLocal } from './artifacts/location.js'
import { heed } from './core/heed.js'
import { cache, localStore, spool, trackingUri } from './doctor/disk.js'
import { safely } from './doctor/fixes.js'
import { localRegistry, registryChecks } from './doctor/registry.js'
import { serverChecks } from './doctor/server.js'
import type { ProxyOptions, Send } from './http/send.js'
import type { CacheInfo } from './models/cache.js'
import type { Transport } from './transport/transport.js'

/** One thing that was looked at. */
export interface Check {
  readonly name: string
  /** `warn` works today and may not tomorrow; `skip` could not be looked at because of another failure. */
  readonly status: 'ok' | 'warn' | 'fail' | 'skip'
  /** What was found. */
  readonly detail: string
  /** What to do, unless all is well. */
  readonly fix?: string
}

/** What a check-up looks at. */
export interface DoctorDeps {
  readonly trackingUri: string
  readonly registryUri: string
  /** Whether the address was given, or is the default. */
  readonly chosen: boolean
  readonly transport: () => Promise<Transport>
  /** The way to the server, when the tracking URI is one. */
  readonly send: (() => Promise<Send>) | undefined
  /** Whether it may keep artifacts in folders of this machine, by `allowLocalSources`. */
  readonly sharesDisk: boolean
  /** The way to the registry, when that is a server. */
  readonly registry: (() => Promise<Send>) | undefined
  /** The proxies that the environment names. */
  readonly proxies: ProxyOptions
  readonly cache: () => Promise<CacheInfo>
  readonly cacheDir: string
  readonly spoolDir: string
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly signal?: AbortSignal | undefined
}

/** What one look found. */
export type Found = Omit<Check, 'name'>

/** One thing to look at; it may fail, which is a finding too. */
export interface Look {
  readonly name: string
  readonly look: () => Found | Promise<Found>
  /** Looks that have to be well before this one makes sense. */
  readonly after?: readonly string[]
}

/** A way to a server, whose requests the signal ends. */
const until = (signal: AbortSignal | undefined, open: DoctorDeps['send']): DoctorDeps['send'] =>
  open &&
  (async () => {
    const way = await open()
    return { ...way, text: (request) => way.text({ ...request, signal }) }
  })

/** Looks at all that has to be well for runs to arrive and models to load; never throws because something is not. */
export async function doctor({ signal, ...given }: DoctorDeps): Promise<Check[]> {
  const deps = { ...given, send: until(signal, given.send), registry: until(signal, given.registry) }
  const isApart = deps.registryUri !== deps.trackingUri
  const looks: Look[] = [
    { name: 'tracking URI', look: () => trackingUri(deps) },
    ...(isLocal(deps.trackingUri) ? [{ name: 'store', look: () => localStore(deps) }] : []),
    ...(deps.send ? serverChecks(deps, deps.send) : []),
    ...(isLocal(deps.registryUri) && isApart ? [{ name: 'registry', look: () => localRegistry(deps) }] : []),
    ...(deps.registry && isApart ? registryChecks(deps, deps.registry) : []),
    { name: 'cache', look: () => cache(deps) },
    { name: 'spool', look: () => spool(deps) },
  ]
  const checks: Check[] = []
  /** The failure behind each look that is not well. */
  const causes = new Map<string, string>()
  for (const { name, look, after = [] } of looks) {
    const cause = after.map((needed) => causes.get(needed)).find((one) => one !== undefined)
    const found: Found = cause
      ? { status: 'skip', detail: `not looked at before this is well: ${cause}` }
      : await heed(signal, safely(look))
    if (cause || found.status === 'fail') causes.set(name, cause ?? name)
    checks.push({ name, ...found })
  }
  return checks
}
