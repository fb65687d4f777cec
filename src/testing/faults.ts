import { nearest } from '../core/nearest.js'
import { checkOptions, each, isSwitch, isText, LONGEST_MS, numberThat, oneOf, type Rule } from '../core/options.js'
import { InvalidParameterError } from '../errors.js'
import { streamed } from '../server/reply.js'
import { protocol } from '../transport/protocol.js'
import type { Operation } from '../transport/transport.js'

/** What goes wrong with a request. */
export type Fault = {
  /**
   * Which requests: an operation of the protocol (`logBatch`), or all (the default). Files that are sent, fetched or listed
   * through the server are none of the operations but `artifacts`, whatever the verb that wants them.
   */
  readonly on?: Operation | 'artifacts' | 'all' | undefined
  /** How many requests it meets, `Infinity` for all that come; default 1. */
  readonly times?: number | undefined
  /** How many requests pass before; default 0. */
  readonly skip?: number | undefined
  /** Waits this long before anything else, in milliseconds. */
  readonly delayMs?: number | undefined
} & (
  | {
      /** Answers with this status (200 to 599) instead, without carrying the request out; 204, 205 and 304 have no body. */
      readonly status: number
      readonly headers?: Readonly<Record<string, string>> | undefined
      /** Default: JSON of MLflow's error with the code that goes with the status, and `503 by script`, say, as its words. */
      readonly body?: string | undefined
      /** Carries the request out before it answers so. */
      readonly carriedOut?: boolean | undefined
    }
  | {
      /**
       * `'refuse'`: the connection breaks and nothing is carried out. `'swallow'`: it is carried out and the answer never
       * comes. `'cut'`: it is carried out and the connection breaks in the middle of the answer. `'double'`: it is carried
       * out twice, as a proxy may do, and the second answer comes.
       */
      readonly break: 'refuse' | 'swallow' | 'cut' | 'double'
    }
  | { readonly delayMs: number }
)

interface Armed {
  readonly fault: Fault
  skip: number
  left: number
}

/** A script of faults: each is armed, meets the requests it is for, and is spent. */
export interface Faults {
  /**
   * Arms a fault; those armed first come first. Throws `InvalidParameterError` for one that could never do what it says, as
   * none can once the server is closed.
   */
  add(fault: Fault): void
  /** Disarms all that are left. */
  clear(): void
  /** How many requests are still to be met. */
  readonly left: number
}

/** A script, and the way to ask it which fault meets a request. */
export function faultScript(): Faults & { next(subject: string | undefined): Fault | undefined; end(): void } {
  let armed: Armed[] = []
  let isOver = false
  return {
    add(given) {
      if (isOver) refuse('The test server is closed: no request comes that this fault could meet')
      const fault = checkFault(given)
      const { skip = 0, times = 1 } = fault
      if ('status' in fault) sendable(fault)
      if (times > 0) armed.push({ fault, skip, left: times })
    },
    clear() {
      armed = []
    },
    get left() {
      return armed.reduce((sum, { left }) => sum + left, 0)
    },
    end() {
      isOver = true
    },
    next(subject) {
      const met = armed.find(({ fault: { on = 'all' } }) => on === 'all' || on === subject)
      if (!met) return undefined
      if (met.skip > 0) {
        met.skip--
        return undefined
      }
      met.left--
      if (met.left <= 0) armed = armed.filter((other) => other !== met)
      return met.fault
    },
  }
}

const SUBJECTS: readonly string[] = ['artifacts', 'all', ...Object.keys(protocol)]
const count = numberThat(
  'a whole number from 0, or Infinity',
  (value) => value >= 0 && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY),
)

const subject: Rule = (value, name) => {
  isText(value, name)
  if (SUBJECTS.includes(value as string)) return
  const near = /artifact/i.test(value as string) ? 'artifacts' : nearest(value as string, SUBJECTS)
  throw new InvalidParameterError(
    `${name} must be an operation (like logBatch), artifacts or all, not ${JSON.stringify(value)}${near ? `: did you mean ${near}?` : ''}`,
  )
}

const FAULT: Readonly<Record<string, Rule>> = {
  on: subject,
  times: count,
  skip: count,
  delayMs: numberThat(`milliseconds from 0 to ${LONGEST_MS}`, (value) => value >= 0 && value <= LONGEST_MS),
  status: numberThat('a status of 200 to 599', (value) => Number.isInteger(value) && value >= 200 && value <= 599),
  headers: each('texts', isText),
  body: isText,
  carriedOut: isSwitch,
  break: oneOf(['refuse', 'swallow', 'cut', 'double']),
}

const refuse = (why: string): never => {
  throw new InvalidParameterError(why)
}

/** A fault that can do what it says; a test is told of its mistake where it makes it. */
function checkFault(given: Fault): Fault {
  checkOptions("A fault is an object, like { on: 'logBatch', status: 503 }", given, FAULT)
  const fault = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  if ('body' in fault && fault.body !== '' && WITHOUT_BODY.has(Number(fault.status)))
    refuse(`An answer of ${fault.status} has no body: leave it out, or give another status`)
  if ('status' in fault && 'break' in fault)
    refuse('A fault has a status or a break, not both: a connection that breaks gives no answer')
  const stray = 'status' in fault ? undefined : ['headers', 'body', 'carriedOut'].find((name) => name in fault)
  if (stray) refuse(`${stray} is for a fault that answers: give it a status, too`)
  if (!('status' in fault || 'break' in fault || 'delayMs' in fault))
    refuse('A fault must say what goes wrong: a status, a break or delayMs')
  return fault as unknown as Fault
}

type Handle = () => Promise<Response>

/** Carries a request out as a fault has it. */
export async function suffer(fault: Fault, handle: Handle): Promise<Response | 'hang up'> {
  if (fault.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.delayMs))
  if ('status' in fault) {
    if (fault.carriedOut) await handle()
    return scripted(fault)
  }
  if (!('break' in fault)) return handle()
  if (fault.break === 'refuse') return 'hang up'
  const reply = await handle()
  if (fault.break === 'double') return handle()
  return fault.break === 'cut' ? torn(reply) : 'hang up'
}

const WITHOUT_BODY = new Set([204, 205, 304])

/** MLflow's `error_code` of each status; any other has that of a 500. */
const CODES: Readonly<Record<number, string>> = {
  400: 'INVALID_PARAMETER_VALUE',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'RESOURCE_DOES_NOT_EXIST',
  409: 'RESOURCE_ALREADY_EXISTS',
  429: 'REQUEST_LIMIT_EXCEEDED',
  503: 'TEMPORARILY_UNAVAILABLE',
}

type Scripted = Extract<Fault, { readonly status: number }>

function scripted({ status, headers = {}, body }: Scripted): Response {
  if (WITHOUT_BODY.has(status)) return new Response(null, { status, headers })
  const asJson = { error_code: CODES[status] ?? 'INTERNAL_ERROR', message: `${status} by script` }
  const text = body ?? JSON.stringify(asJson)
  return new Response(text, { status, headers: { 'content-type': 'application/json', ...headers } })
}

/** A test is told of its mistake where it makes it, and not by a 500 that nobody scripted. */
function sendable(fault: Scripted): void {
  try {
    scripted(fault)
  } catch (error) {
    throw new InvalidParameterError(
      `The answer of this fault cannot be sent: ${(error as Error).message}; give a status of 200 to 599, and headers that HTTP can carry`,
      { cause: error },
    )
  }
}

/** A reply that promises more than comes. */
async function torn(reply: Response): Promise<Response> {
  const whole = new Uint8Array(await reply.arrayBuffer())
  const part = whole.length === 0 ? new Uint8Array([0x20]) : whole.subarray(0, Math.ceil(whole.length / 2))
  const headers = new Headers(reply.headers)
  headers.set('content-length', String(whole.length + 1))
  return streamed(new Response(part, { status: reply.status, headers }), 'cut')
}
