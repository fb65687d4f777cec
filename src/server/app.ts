import { Hono } from 'hono'
import type { ArtifactStore } from '../artifacts/store.js'
import type { Transport } from '../transport/transport.js'
import { artifactRoutes } from './artifacts.js'
import { type Env, pathOf, rawUrl } from './asked.js'
import { type BodyLimits, defaultLimits } from './body.js'
import { type GuardOptions, guard } from './guard.js'
import { failed, json, notFound, plain } from './reply.js'
import { bothApis, tableRoutes } from './table.js'

export interface AppOptions extends GuardOptions {
  readonly transport: Transport
  /** What `mlflow-artifacts:/` names; without it those routes answer 503, as a server's without a proxy do. */
  readonly artifacts?: ArtifactStore | undefined
  /** The class of store that `server-info` names. */
  readonly storeType: string
  /** The version of MLflow whose API is answered. */
  readonly version: string
  readonly limits?: Partial<BodyLimits> | undefined
  /** More routes, behind the same guard; those above go first. */
  readonly more?: readonly Hono<Env>[] | undefined
}

export type App = Hono<Env>

/** MLflow's REST API, answered by any transport: what a request means is looked up in the protocol table. */
export function serverApp(options: AppOptions): App {
  const { transport, artifacts, storeType, version, more = [] } = options
  const limits = { ...defaultLimits, ...options.limits }
  const app = new Hono<Env>({ getPath: (request, given) => pathOf(rawUrl(request, given?.env)) })
  app.onError((error) => failed(error))
  app.notFound(() => notFound())
  app.use('*', guard(options))
  app.get('/health', () => plain('OK'))
  app.get('/version', () => plain(version))
  for (const route of bothApis('/api/3.0/mlflow/server-info'))
    app.get(route, () => json({ store_type: storeType, workspaces_enabled: false }))
  app.route('/', artifactRoutes(artifacts, limits))
  app.route('/', tableRoutes(transport, limits))
  for (const routes of more) app.route('/', routes)
  return app
}
