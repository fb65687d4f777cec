import { type Operation, protocol } from '../transport/protocol.js'

/** An operation that a method and path mean, and what the path says of its input. */
export interface Route {
  readonly operation: Operation
  readonly fields: Readonly<Record<string, string>>
}

interface Pattern {
  readonly operation: Operation
  readonly method: string
  readonly segments: readonly string[]
}

const API = /^\/(?:ajax-)?api\//
const below = (path: string): string[] => path.replace(API, '').split('/')

const patterns: readonly Pattern[] = Object.entries(protocol).map(([operation, { method, path }]) => ({
  operation: operation as Operation,
  method,
  segments: below(path),
}))

/** Finds the operation; `'method'` when only the method is wrong, `undefined` when there is no such path. */
export function route(method: string, path: string): Route | 'method' | undefined {
  if (!API.test(path)) return undefined
  const segments = below(path)
  const fitting = patterns
    .map((pattern) => ({ pattern, fields: placeholders(pattern.segments, segments) }))
    // `logged-models/search` is also a `logged-models/{id}`: words come before placeholders.
    .filter((found): found is { pattern: Pattern; fields: Record<string, string> } => found.fields !== undefined)
    .sort((a, b) => Object.keys(a.fields).length - Object.keys(b.fields).length)
  const found = fitting.find(({ pattern }) => pattern.method === method)
  if (found) return { operation: found.pattern.operation, fields: found.fields }
  return fitting.length > 0 ? 'method' : undefined
}

function placeholders(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined
  const fields: Record<string, string> = {}
  for (const [index, wanted] of pattern.entries()) {
    const got = segments[index] ?? ''
    const name = /^\{(\w+)\}$/.exec(wanted)?.[1]
    if (name === undefined) {
      if (got !== wanted) return undefined
      continue
    }
    const decoded = decodedSegment(got)
    if (decoded === undefined || decoded === '') return undefined
    fields[name] = decoded
  }
  return fields
}

function decodedSegment(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
