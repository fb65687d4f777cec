import { heed } from '../core/heed.js'
import { HISTORY_PAGE } from '../core/page.js'
import { CairnError, isUnknown, NotFoundError, reworded } from '../errors.js'
import { notMlflow, refusal } from '../http/refusal.js'
import type { HttpAnswer, Send } from '../http/send.js'
import { encodeSegment } from '../http/url.js'
import { batchJson, parseAnswer, toJson } from './json.js'
import { pageSizes } from './page-sizes.js'
import { protocol } from './protocol.js'
import { isRepeatable } from './repeats.js'
import { tellingTooLong } from './too-long.js'
import type { CallOptions, Input, Operation, Output, Transport } from './transport.js'

/** A transport that knows the server behind it. */
export interface HttpTransport extends Transport {
  /**
   * Whether the server keeps one more row of a point each time it is sent; false only where its store is known not to. Asked
   * once and remembered; a failure is forgotten, so that the next call asks again.
   */
  appendsBlindly(options?: CallOptions): Promise<boolean>
}

/** Operations whose servers answer nothing, or refuse, when no `max_results` is sent; Python's values. */
const ALWAYS_LIMITED: Partial<Record<Operation, number>> = {
  getMetricHistory: HISTORY_PAGE,
  getMetricHistoryBulk: HISTORY_PAGE,
  searchExperiments: 1_000,
}

/** The schema of an answer in which nothing stands, and what may stand there all the same. */
const saysNothing: unknown = protocol.logBatch.output
const NOTHING_BYTES = 1 << 20

/** The protocol table carried over HTTP: every operation a request, every answer held against its schema. */
export function httpTransport({ send }: { readonly send: Send }): HttpTransport {
  let blind: Promise<boolean> | undefined
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
        throw tellingTooLong(lacking(error, operation), input)
      })
    // What carries something there is not stored by one who answers with less than MLflow does.
    const said = answer.status === 204 && operation.startsWith('delete') ? {} : jsonOf(answer)
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
    appendsBlindly(options = {}) {
      // Asked for all who wait, so that none of them ends it for the others.
      blind ??= ask(send).catch((error: unknown) => {
        blind = undefined
        throw error
      })
      return heed(options.signal, blind)
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
  let value: unknown
  try {
    value = parseAnswer(answer.text)
  } catch {
    throw notMlflow(answer)
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw notMlflow(answer)
  return value as Record<string, unknown>
}

/** The first MLflow that has an operation. */
const SINCE: Partial<Record<Operation, string>> = { deleteExperimentTag: '3.2' }

/** Says which call an older server lacks. */
function lacking(error: unknown, operation: Operation): unknown {
  if (!(error instanceof NotFoundError) || !isUnknown(error)) return error
  const first = operation.includes('LoggedModel') || operation === 'logOutputs' ? '3.0' : SINCE[operation]
  const since = first === undefined ? '' : ` (MLflow ${first} and later have it)`
  return reworded(error, `The server has no ${operation}${since}: ${error.message}`)
}

/** MLflow before 3.4 or so, and services, do not tell their store. */
async function ask(send: Send): Promise<boolean> {
  try {
    const told = jsonOf(await send.text({ method: 'GET', path: '/api/3.0/mlflow/server-info', idempotent: true }))
    return !(typeof told.store_type === 'string' && /sql/i.test(told.store_type))
  } catch (error) {
    // Any refusal by status means: there is a server, and it does not tell.
    if (error instanceof CairnError && error.status !== undefined && error.status < 500 && error.status !== 401)
      return true
    throw error
  }
}
