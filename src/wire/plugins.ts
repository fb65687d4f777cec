import { isLocal, schemeOf } from '../artifacts/location.js'
import type { ArtifactStore, OpenArtifacts } from '../artifacts/store.js'
import { having, isFunction, isSomeText, type Rule } from '../core/options.js'
import { InvalidParameterError } from '../errors.js'
import type { Flavor } from '../models/flavor.js'
import type { Settings } from '../settings.js'
import type { Transport } from '../transport/transport.js'
import { openFileStore } from './file-store.js'
import type { Logger } from './logger.js'
import type { Remote } from './remote.js'

/** What the maker of a transport or an artifact store is given. */
export interface PluginContext {
  readonly settings: Settings
  /** The client's own tracking URI; the absolute path of a local store. */
  readonly trackingUri: string
  readonly registryUri: string
  readonly logger: Logger
  /** Opens the transport of another URI, for transports around transports. */
  readonly openTransport: (uri: string) => Promise<Transport>
  readonly openArtifacts: OpenArtifacts
  /** The way to an MLflow server, with all that the client knows of it; one for each address. */
  readonly openRemote: (uri: string) => Promise<Remote>
}

/** Makes the transport that serves a tracking or registry URI. */
export type TransportFactory = (uri: string, context: PluginContext) => Transport | Promise<Transport>
/** Makes the store that serves an artifact URI. */
export type ArtifactStoreFactory = (uri: string, context: PluginContext) => ArtifactStore | Promise<ArtifactStore>

/** What a client has beside what is registered for all. */
export interface Plugins {
  /** More transports, artifact stores and flavors, for this client alone; each goes before a built-in one. */
  readonly transports?: Readonly<Record<string, TransportFactory>> | undefined
  readonly artifactStores?: Readonly<Record<string, ArtifactStoreFactory>> | undefined
  readonly flavors?: readonly Flavor[] | undefined
}

/** Schemes of tracking and registry URIs; what is registered later stands in the same table. */
const remote: TransportFactory = async (uri, context) => (await context.openRemote(uri)).transport
const transports = new Map<string, TransportFactory>([
  ['file', openFileStore],
  ['http', remote],
  ['https', remote],
  ['databricks', remote],
])

/** Schemes of artifact URIs; what is registered later stands in the same table. */
const served: ArtifactStoreFactory = async (uri, { trackingUri, openRemote }) => {
  if (isLocal(trackingUri))
    throw new InvalidParameterError(
      `${uri} lies behind an MLflow server, but the tracking URI is ${trackingUri}; set it to the server's address`,
    )
  return (await openRemote(trackingUri)).artifacts(uri)
}
const artifactStores = new Map<string, ArtifactStoreFactory>([
  ['file', async (uri) => (await import('../artifacts/file.js')).fileArtifacts(uri)],
  ['mlflow-artifacts', served],
  ['http', served],
  ['https', served],
])

/** Flavors in the order in which they are asked; what is registered later goes first. */
const flavors: (() => Promise<Flavor>)[] = [
  async () => (await import('../models/flavors/onnx.js')).onnx(),
  async () => (await import('../models/flavors/tfjs.js')).tfjs(),
  async () => (await import('../models/flavors/node.js')).node(),
]

/** Checks the scheme under which something is plugged in, by an option when `option` names it. */
export function checkScheme(scheme: string, option?: string): string {
  if (/^[a-z][a-z0-9+.-]+$/.test(scheme)) return scheme
  throw new InvalidParameterError(
    `${JSON.stringify(scheme)}${option === undefined ? '' : ` in ${option}`} is not a URI scheme that can be plugged in: two or more lower-case letters, digits, "+", "." and "-", a letter first, without ":"; one letter is a drive of Windows`,
  )
}

/** The rule for a flavor. */
export const isFlavor: Rule = (value, name) => {
  having('a flavor', 'accepts', 'save', 'load')(value, name)
  isSomeText((value as Flavor).name, `${name}.name`)
}

/** Makes tracking and registry URIs of a scheme known; one that is known already is replaced. */
export function registerTransport(scheme: string, factory: TransportFactory): void {
  isFunction(factory, 'The factory of a transport')
  transports.set(checkScheme(scheme), factory)
}

/** Makes artifact URIs of a scheme known; one that is known already is replaced. */
export function registerArtifactStore(scheme: string, factory: ArtifactStoreFactory): void {
  isFunction(factory, 'The factory of an artifact store')
  artifactStores.set(checkScheme(scheme), factory)
}

/** Makes a flavor known; it goes before those known so far, also before one of the same name. */
export function registerFlavor(flavor: Flavor): void {
  isFlavor(flavor, 'What is registered')
  flavors.unshift(async () => flavor)
}

/** Whether a scheme of tracking and registry URIs is known. */
export const hasTransport = (scheme: string, own: Plugins): boolean =>
  own.transports?.[scheme] !== undefined || transports.has(scheme)

/** What makes the transport of a URI. Throws `InvalidParameterError` for a scheme that is not known. */
export function transportOf(uri: string, own: Plugins): TransportFactory {
  const scheme = schemeOf(uri)
  const factory = own.transports?.[scheme] ?? transports.get(scheme)
  if (factory) return factory
  const schemes = [...transports.keys(), ...Object.keys(own.transports ?? {})].join(', ')
  throw new InvalidParameterError(`There is no transport for ${scheme}: URIs; known are ${schemes}`)
}

/** Whether a URI is that of an MLflow server. */
export const isServer = (uri: string): boolean => /^(https?|databricks):/i.test(uri)

/** Whether a URI is served by a transport that is plugged in, also in the place of one of ours. */
export const isPluggedIn = (uri: string, own: Plugins): boolean => !isServer(uri) || transportOf(uri, own) !== remote

/** What makes the stores of artifact URIs, by scheme. */
export const artifactStoresWith = (own: Plugins): Readonly<Record<string, ArtifactStoreFactory>> => ({
  ...Object.fromEntries(artifactStores),
  ...Object.fromEntries(Object.entries(own.artifactStores ?? {}).filter(([, make]) => make !== undefined)),
})

/** All flavors, in the order in which they are asked. */
export const flavorsWith = async (own: Plugins): Promise<readonly Flavor[]> => [
  ...(own.flavors ?? []),
  ...(await Promise.all(flavors.map((load) => load()))),
]
