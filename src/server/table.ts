import { type Handler, Hono } from 'hono'
import { type Operation, protocol } from '../transport/protocol.js'
import type { Transport } from '../transport/transport.js'
import { type Asked, type Env, queryOf } from './asked.js'
import { type BodyLimits, textOf } from './body.js'
import { inputOf } from './input.js'
import { json, methodNotAllowed } from './reply.js'

/** Which operation an answerer of requests carries out. */
const operations = new WeakMap<Handler<Env>, Operation | 'artifacts'>()

/** Notes what a route is about, so that it can be asked without carrying anything out. */
export function about(subject: Operation | 'artifacts', handler: Handler<Env>): Handler<Env> {
  operations.set(handler, subject)
  return handler
}

/** What a request is about: an operation of the table, the artifact proxy, or neither. */
export function subjectOf(app: Hono<Env>, method: string, path: string): Operation | 'artifacts' | undefined {
  for (const [[, route]] of app.router.match(method, path)[0]) {
    const found = operations.get(route.handler as Handler<Env>)
    if (found) return found
  }
  return undefined
}

/** Both prefixes under which MLflow's servers answer everything. */
export const bothApis = (path: string): string[] => {
  const below = path.replace(/^\/(?:ajax-)?api/, '').replace(/\{(\w+)\}/g, ':$1')
  return [`/api${below}`, `/ajax-api${below}`]
}

/** The protocol table as routes: every operation at its path, with its method and no other. */
export function tableRoutes(transport: Transport, limits: BodyLimits): Hono<Env> {
  const app = new Hono<Env>()
  for (const [name, { method, path }] of Object.entries(protocol)) {
    const operation = name as Operation
    const handler = about(operation, (asked) => operate(asked, { transport, operation, limits }))
    for (const route of bothApis(path)) app.on(method, route, handler)
  }
  for (const { path } of Object.values(protocol)) for (const route of bothApis(path)) app.all(route, methodNotAllowed)
  return app
}

interface Work {
  readonly transport: Transport
  readonly operation: Operation
  readonly limits: BodyLimits
}

async function operate(asked: Asked, { transport, operation, limits }: Work): Promise<Response> {
  const body = asked.req.method === 'GET' ? '' : await textOf(asked, limits)
  if (body !== '' && !isJson(asked)) return notJson()
  const input = inputOf(operation, { fields: asked.req.param(), query: queryOf(asked), body })
  return json(await transport.call(operation, input))
}

/** Whether the sender said that it is JSON, which no form of another page can. */
export const isJson = (asked: Asked): boolean => /^application\/json\b/i.test(asked.req.header('content-type') ?? '')

export const notJson = (): Response =>
  json({ error_code: 'INVALID_PARAMETER_VALUE', message: 'Bad Request. Content-Type must be application/json.' }, 400)
