import type { ServerResponse } from 'node:http'
import { startTestServer } from '../../src/testing/index.js'
import { answering, asJson, type Seen } from './answering.js'

/** A managed service's own ways, in front of MLflow's API. */
interface Ways {
  /** In front of every path. */
  readonly prefix: string
  /** Answers instead of the API, or lets the request through. */
  readonly before: (seen: Seen, path: string, response: ServerResponse) => boolean
  readonly after?: (answer: unknown) => unknown
  readonly headers?: Record<string, string>
}

/** A fake that goes as far as the service's documentation and the bug reports about it do. */
async function service({ prefix, before, after, headers = {} }: Ways) {
  const behind = await startTestServer()
  const paths: string[] = []
  const server = await answering(async (seen, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    const { pathname, search } = new URL(seen.url, 'http://x')
    paths.push(`${seen.method} ${pathname}`)
    if (!pathname.startsWith(`${prefix}/api/2.0/mlflow/`)) {
      // The front door of such a service shows its login page for what it does not know.
      response.writeHead(302, { location: '/login.html' }).end()
      return
    }
    const path = pathname.slice(prefix.length)
    if (before(seen, path, response)) return
    const got = await fetch(behind.url + path + search, {
      method: seen.method,
      headers: { 'content-type': 'application/json' },
      ...(seen.body ? { body: seen.body } : {}),
    })
    const answer: unknown = await got.json()
    asJson(response, got.ok && after ? after(answer) : answer, got.status)
  })
  return { url: server.url + prefix, seen: server.seen, paths, close: () => behind.close() }
}

const metricsIn = ({ body }: Seen): unknown[] => (JSON.parse(body || '{}') as { metrics?: unknown[] }).metrics ?? []

const WHOLE = new Set(['timestamp', 'step', 'start_time', 'end_time', 'creation_time', 'last_update_time'])

/** int64 as JSON has it in protocol buffers: digits in quotes. */
function quoted(value: unknown, key = ''): unknown {
  if (typeof value === 'number' && WHOLE.has(key)) return String(value)
  if (Array.isArray(value)) return value.map((item) => quoted(item))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, of]) => [name, quoted(of, name)]))
}

/** Databricks' workspace: a token, absolute names, a megabyte for a request, a rate. */
export async function databricksLike(token: string) {
  let requests = 0
  let expected = token
  const made = await service({
    prefix: '',
    headers: { 'x-databricks-org-id': '42', 'x-databricks-request-id': 'dbx-1' },
    after: quoted,
    before({ headers, body }, path, response) {
      const refuse = (status: number, error_code: unknown, message: string, more: Record<string, string> = {}) => {
        asJson(response, { error_code, message, details: [] }, status, more)
        return true
      }
      if (headers.authorization === undefined)
        return refuse(401, 401, 'Credential was not sent or was of an unsupported type for this API.')
      if (headers.authorization !== `Bearer ${expected}`) return refuse(403, '403', 'Invalid access token.')
      if (++requests % 7 === 0)
        return refuse(429, 'REQUEST_LIMIT_EXCEEDED', 'Exceeded the rate limit of the workspace.', {
          'retry-after': '1',
        })
      if (Buffer.byteLength(body) > 1_000_000)
        return refuse(400, 'INVALID_PARAMETER_VALUE', 'The request is larger than 1 MB.')
      const { name } = JSON.parse(body || '{}') as { name?: string }
      if (path.endsWith('/experiments/create') && !name?.startsWith('/'))
        return refuse(400, 'INVALID_PARAMETER_VALUE', `Got an invalid experiment name '${name}'.`)
      return false
    },
  })
  const change = (to: string) => {
    expected = to
  }
  return { ...made, change }
}

/** Azure Machine Learning's workspace: a path, a token, 250 metrics for a request, 1,000 entries for a page. */
export async function azureLike(token: string) {
  let requests = 0
  return service({
    prefix: '/mlflow/v2.0/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w',
    before(seen, _, response) {
      const refuse = (status: number, error_code: string | undefined, Message: string, more = {}) => {
        const inner = { Code: 'UserError', Severity: null, Message, Target: null, Details: [], InnerError: null }
        const Correlation = { operation: 'o', request: 'r' }
        const rest = { Environment: 'westeurope', ComponentName: 'mlflow', statusCode: status }
        asJson(response, { Error: inner, Correlation, ...rest, ...(error_code ? { error_code } : {}) }, status, more)
        return true
      }
      if (seen.headers.authorization !== `Bearer ${token}`) return refuse(401, undefined, 'Bearer token not provided.')
      if (++requests % 9 === 0) return refuse(429, undefined, 'Too many requests', { 'retry-after': '1' })
      const size = metricsIn(seen).length
      if (size > 250)
        return refuse(
          400,
          'INVALID_PARAMETER_VALUE',
          `A field of the entity is over the size limit. FieldName=MetricV2Dto.Value/Count, Limit=250, Size=${size}.`,
        )
      const page = Number(new URL(seen.url, 'http://x').searchParams.get('max_results') ?? 0)
      if (page > 1000)
        return refuse(400, 'BAD_REQUEST', `MaxResults = ${page} is invalid: MaxResults must be less than 1000.`)
      return false
    },
  })
}
