import { streamed } from '../server/reply.js'
import type { Operation } from '../transport/transport.js'

/** What goes wrong with a request. */
export type Fault = {
  /** Which requests: an operation of the protocol, `artifacts` for the artifact proxy, or all (the default). */
  readonly on?: Operation | 'artifacts' | 'all'
  /** How many requests it meets; default 1. */
  readonly times?: number
  /** How many requests pass before; default 0. */
  readonly skip?: number
  /** Waits this long before anything else, in milliseconds. */
  readonly delayMs?: number
} & (
  | {
      /** Answers with this status instead, without carrying the request out. */
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
      /** Carries the request out before it answers so. */
      readonly carriedOut?: boolean
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
  /** Arms a fault; those armed first come first. */
  add(fault: Fault): void
  /** Disarms all that are left. */
  clear(): void
  /** How many requests are still to be met. */
  readonly left: number
}

/** A script, and the way to ask it which fault meets a request. */
export function faultScript(): Faults & { next(subject: string | undefined): Fault | undefined } {
  let armed: Armed[] = []
  return {
    add(fault) {
      const { skip = 0, times = 1 } = fault
      if (times > 0) armed.push({ fault, skip, left: times })
    },
    clear() {
      armed = []
    },
    get left() {
      return armed.reduce((sum, { left }) => sum + left, 0)
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

type Handle = () => Promise<Response>

/** Carries a request out as a fault has it. */
export async function suffer(fault: Fault, handle: Handle): Promise<Response | 'hang up'> {
  if (fault.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.delayMs))
  if ('status' in fault) {
    if (fault.carriedOut) await handle()
    return scripted(fault.status, fault.headers, fault.body)
  }
  if (!('break' in fault)) return handle()
  if (fault.break === 'refuse') return 'hang up'
  const reply = await handle()
  if (fault.break === 'double') return handle()
  return fault.break === 'cut' ? torn(reply) : 'hang up'
}

function scripted(status: number, headers: Readonly<Record<string, string>> = {}, body?: string): Response {
  const asJson = { error_code: status === 429 ? 'REQUEST_LIMIT_EXCEEDED' : 'INTERNAL_ERROR', message: 'by script' }
  const text = body ?? JSON.stringify(asJson)
  return new Response(text, { status, headers: { 'content-type': 'application/json', ...headers } })
}

/** A reply that promises more than comes. */
async function torn(reply: Response): Promise<Response> {
  const whole = new Uint8Array(await reply.arrayBuffer())
  const part = whole.length === 0 ? new Uint8Array([0x20]) : whole.subarray(0, Math.ceil(whole.length / 2))
  const headers = new Headers(reply.headers)
  headers.set('content-length', String(whole.length + 1))
  return streamed(new Response(part, { status: reply.status, headers }), 'cut')
}
