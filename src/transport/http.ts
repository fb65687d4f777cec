import { heed } from '../core/heed.js'
import { CairnError, NotFoundError } from '../errors.js'
import { notMlflow, refusal } from '../http/refusal.js'
import type { HttpAnswer, Send } from '../http/send.js'
import { encodeSegment } from '../http/url.js'
import { batchJson, parseJson, toJson } from './json.js'
import { pageSizes } from './page-sizes.js'
import { protocol } from './protocol.js'
import { isRepeatable } from './repeats.js'
import type { CallOptions, Input, Operation, Output, Transport } from './transport.js'

/** What a server has told about itself. */
export interface ServerFacts {
  /** MLflow's version, as `/version` says it; absent on services that have no such route. */
  readonly version?: string
  /** The class of its store (`SqlStore`, `FileStore`); absent before MLflow 3.4 or so. */
  readonly storeType?: string
  readonly workspaces: boolean
  /** False when the store is known to keep one row of a point however often it is sent. */
  readonly appendsBlindly: boolean
}

/** A transport that knows the server behind it. */
export interface HttpTransport extends Transport {
  /** Asked once and remembered; a failure is forgotten, so that the next call asks again. */
  server(options?: CallOptions): Promise<ServerFacts>
}

/** Operations whose servers answer nothing, or refuse, when no `max_results` is sent; Python's values. */
const ALWAYS_LIMITED: Partial<Record<Operation, number>> = {
  getMetricHistory: 25_000,
  getMetricHistoryBulk: 25_000,
  searchExperiments: 1_000,
}

/** The schema of an answer in which nothing stands, and what may stand there all the same. */
const saysNothing: unknown = protocol.logBatch.output
const NOTHING_BYTES = 1 << 20

/** The protocol table carried over HTTP: every operation a request, every answer held against its schema. */
export function httpTransport({ send }: { readonly send: Send }): HttpTransport {
  let facts: Promise<ServerFacts> | undefined
  const sizes = pageSizes()

  async function call<O extends Operation>(
    operation: O,
    input: Input<O>,
    options: CallOptions = {},
  ): Promise<Output<O>> {
    const asked = sizes.within(operation, input)
    try {
      return await once(operation, asked, options)
    } catch (error) {
      const unlearn = sizes.shrink(operation, asked, error)
      if (!unlearn) throw error
      return once(operation, sizes.within(operation, input), options).catch((later: unknown) => {
        unlearn()
        throw later
      })
    }
  }

  async function once<O extends Operation>(operation: O, input: Input<O>, options: CallOptions): Promise<Output<O>> {
    const { method, output } = protocol[operation]
    const { path, rest } = place(operation, input)
    const body = method === 'GET' ? undefined : operation === 'logBatch' ? batchJson(rest) : toJson(rest)
    const answer = await send
      .text({
        method,
        path: method === 'GET' ? path + query(rest) : path,
        body,
        ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' } }),
        signal: options.signal,
        idempotent: isRepeatable(operation),
        ...(output === saysNothing ? { maxAnswerBytes: NOTHING_BYTES } : {}),
      })
      .catch((error: unknown) => {
        throw lacking(error, operation)
      })
    const said = jsonOf(answer)
    // A failure that something on the way gave the status of a success.
    if (typeof said.error_code === 'string') throw refusal(answer, Date.now())
    const read = output.safeParse(said)
    if (read.success) return read.data as Output<O>
    const [issue] = read.error.issues
    throw notMlflow(
      answer,
      `${operation} lacks or misstates ${issue?.path.join('.') || 'its fields'} (${issue?.message})`,
    )
  }

  return {
    call,
    server(options = {}) {
      // Asked for all who wait, so that none of them ends it for the others.
      facts ??= ask(send).catch((error: unknown) => {
        facts = undefined
        throw error
      })
      return heed(options.signal, facts)
    },
    close: () => send.close(),
  }
}

/** Fills the path's `{x}` from the input; the rest goes into the query or the body. */
function place(operation: Operation, input: object): { path: string; rest: Record<string, unknown> } {
  const rest: Record<string, unknown> = { ...input }
  const limit = ALWAYS_LIMITED[operation]
  if (limit !== undefined) rest.max_results ??= limit
  const taken: string[] = []
  const path = protocol[operation].path.replace(/\{(\w+)\}/g, (_, name: string) => {
    taken.push(name)
    return encodeSegment(String(rest[name] ?? ''))
  })
  // MLflow wants the id in the body as well, where there is one.
  for (const name of taken) if (name !== 'model_id' || protocol[operation].method === 'GET') delete rest[name]
  return { path, rest }
}

function query(fields: Record<string, unknown>): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one))
  }
  const text = search.toString().replaceAll('+', '%20')
  return text && `?${text}`
}

function jsonOf(answer: HttpAnswer): Readonly<Record<string, unknown>> {
  if (answer.status === 204) return {}
  let value: unknown
  try {
    value = parseJson(answer.text)
  } catch {
    throw notMlflow(answer)
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw notMlflow(answer)
  return value as Record<string, unknown>
}

/** Says which call an older server lacks. */
function lacking(error: unknown, operation: Operation): unknown {
  if (!(error instanceof NotFoundError) || error.code !== 'ENDPOINT_NOT_FOUND') return error
  const since = operation.includes('LoggedModel') || operation === 'logOutputs' ? ' (MLflow 3.0 and later have it)' : ''
  const { status, url, requestId } = error
  return new NotFoundError(`The server has no ${operation}${since}: ${error.message}`, {
    code: error.code,
    cause: error,
    ...(status === undefined ? {} : { status }),
    ...(url === undefined ? {} : { url }),
    ...(requestId === undefined ? {} : { requestId }),
  })
}

async function ask(send: Send): Promise<ServerFacts> {
  const get = async (path: string): Promise<HttpAnswer | undefined> => {
    try {
      return await send.text({ method: 'GET', path, idempotent: true })
    } catch (error) {
      // Any refusal by status means: there is a server, and it does not tell.
      if (error instanceof CairnError && error.status !== undefined && error.status < 500 && error.status !== 401)
        return undefined
      throw error
    }
  }
  const [info, version] = await Promise.all([get('/api/3.0/mlflow/server-info'), get('/version')])
  const { store_type: storeType, workspaces_enabled: workspaces } = info ? told(info) : {}
  const named = /^\s*(\d+\.\d+[\w.+-]*)\s*$/.exec(version?.text ?? '')?.[1]
  return {
    ...(named ? { version: named } : {}),
    ...(typeof storeType === 'string' ? { storeType } : {}),
    workspaces: workspaces === true,
    appendsBlindly: !(typeof storeType === 'string' && /sql/i.test(storeType)),
  }
}

function told(answer: HttpAnswer): { store_type?: unknown; workspaces_enabled?: unknown } {
  try {
    return jsonOf(answer)
  } catch {
    return {}
  }
}
