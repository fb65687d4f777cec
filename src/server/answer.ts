import type { ArtifactStore } from '../artifacts/store.js'
import type { Operation, Transport } from '../transport/transport.js'
import { answerArtifacts, isArtifactPath } from './artifacts.js'
import { inputOf } from './input.js'
import { failed, json, plain, type Reply } from './reply.js'
import { type Route, route } from './routes.js'

/** A request, once its head and body are read. */
export interface Asked {
  readonly method: string
  /** Path and query as they came. */
  readonly url: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Blob
}

export interface AnswerOptions {
  readonly transport: Transport
  /** What `mlflow-artifacts:/` names; without it those routes answer 503, as a server's without a proxy do. */
  readonly artifacts?: ArtifactStore | undefined
  /** The `Host` headers that are answered, exactly; a function where the port is known only later. */
  readonly hosts: () => readonly string[]
  /** The class of store that `server-info` names. */
  readonly storeType: string
  readonly version: string
}

/** Answers MLflow's REST API from any transport: what a request means is looked up in the protocol table. */
export type Answer = (asked: Asked) => Promise<Reply>

/** What a request is about: an operation of the table, the artifact proxy, or neither. */
export function subjectOf({ method, url }: Pick<Asked, 'method' | 'url'>): Operation | 'artifacts' | undefined {
  const path = pathOf(url)
  if (isArtifactPath(path)) return 'artifacts'
  const found = route(method, path)
  return typeof found === 'object' ? found.operation : undefined
}

const pathOf = (url: string): string => url.replace(/[?#].*$/s, '')
const queryOf = (url: string): URLSearchParams => new URLSearchParams(/\?(.*)$/s.exec(url)?.[1] ?? '')

export const answer =
  (options: AnswerOptions): Answer =>
  async (asked) => {
    const path = pathOf(asked.url)
    if (path === '/health' && asked.method === 'GET') return plain('OK')
    if (path === '/version' && asked.method === 'GET') return plain(options.version)
    const refusal = stranger(asked, options.hosts())
    if (refusal) return refusal
    try {
      return await inside(asked, path, options)
    } catch (error) {
      return failed(error)
    }
  }

/** A page elsewhere can make a browser send anything here but a `Host` and an `Origin` that are ours. */
function stranger({ method, headers }: Asked, hosts: readonly string[]): Reply | undefined {
  const { host, origin } = headers
  if (typeof host !== 'string' || !hosts.includes(host.toLowerCase()))
    return plain('Invalid Host header - possible DNS rebinding attack detected', 403)
  const foreign = typeof origin === 'string' && !hosts.some((own) => origin.toLowerCase() === `http://${own}`)
  if (method !== 'GET' && (foreign || headers['sec-fetch-site'] === 'cross-site'))
    return plain('Cross-origin request blocked', 403)
  return undefined
}

async function inside(asked: Asked, path: string, options: AnswerOptions): Promise<Reply> {
  const { method, url, body } = asked
  const query = queryOf(url)
  if (path === '/api/3.0/mlflow/server-info') return json({ store_type: options.storeType, workspaces_enabled: false })
  if (isArtifactPath(path)) {
    if (!options.artifacts)
      return plain('Endpoint disabled due to the mlflow server running in `--no-serve-artifacts` mode.', 503)
    return answerArtifacts(options.artifacts, { method, path, query, bytes: async () => body })
  }
  const found = route(method, path)
  if (found === undefined) return notFound()
  if (found === 'method') return plain('Method Not Allowed', 405)
  if (method !== 'GET' && !/^application\/json\b/i.test(String(asked.headers['content-type'] ?? '')) && body.size > 0)
    return json(
      { error_code: 'INVALID_PARAMETER_VALUE', message: 'Bad Request. Content-Type must be application/json.' },
      400,
    )
  return operate(options.transport, found, { query, body: await body.text() })
}

async function operate(
  transport: Transport,
  { operation, fields }: Route,
  given: { query: URLSearchParams; body: string },
) {
  const input = inputOf(operation, { fields, ...given })
  return json(await transport.call(operation, input))
}

const notFound = (): Reply => ({
  status: 404,
  headers: { 'content-type': 'text/html; charset=utf-8' },
  body: '<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n',
})
