import { like } from './like.js'
import type { Clause } from './parse.js'

/** A dataset as clauses see it. */
export interface SubjectDataset {
  readonly name: string
  readonly digest: string
  readonly context: string | undefined
}

/** A thing searched; each method answers undefined for what it has not, and is asked only what a clause or key needs. */
export interface Subject {
  attribute(key: string): string | number | undefined
  /** The latest value; a sort key of a logged model may name the `dataset` it was measured on. */
  metric(key: string, dataset?: { readonly name: string; readonly digest?: string }): number | undefined
  param(key: string): string | undefined
  tag(key: string): string | undefined
  datasets(): readonly SubjectDataset[]
}

type Test = (left: string | number) => boolean

function numeric(op: Clause['op'], right: number): Test {
  const tests: Partial<Record<Clause['op'], (left: number) => boolean>> = {
    '=': (left) => left === right,
    '!=': (left) => left !== right,
    '<': (left) => left < right,
    '<=': (left) => left <= right,
    '>': (left) => left > right,
    '>=': (left) => left >= right,
  }
  const test = tests[op]
  return (left) => typeof left === 'number' && test !== undefined && test(left)
}

function textual(op: Clause['op'], right: string): Test {
  if (op === '=') return (left) => left === right
  if (op === '!=') return (left) => typeof left === 'string' && left !== right
  if (op !== 'LIKE' && op !== 'ILIKE') return () => false
  const fits = like(right, op === 'ILIKE')
  return (left) => typeof left === 'string' && fits(left)
}

function listed(op: Clause['op'], values: readonly string[]): Test {
  const set = new Set<string | number>(values)
  return op === 'IN' ? (left) => set.has(left) : (left) => !set.has(left)
}

function test({ op, value }: Clause): Test {
  if (typeof value === 'number') return numeric(op, value)
  if (typeof value === 'string') return textual(op, value)
  // IS NULL never reaches its test, since the left side is there; IS NOT NULL needs no more than that.
  return value ? listed(op, value) : () => op === 'IS NOT NULL'
}

function reading({ entity, key }: Clause): (subject: Subject) => string | number | undefined {
  if (entity === 'metric') return (subject) => subject.metric(key)
  if (entity === 'param') return (subject) => subject.param(key)
  if (entity === 'tag') return (subject) => subject.tag(key)
  return (subject) => subject.attribute(key)
}

function compiled(clause: Clause): (subject: Subject) => boolean {
  const holds = test(clause)
  if (clause.entity === 'dataset') {
    const field = clause.key as keyof SubjectDataset
    return (subject) => subject.datasets().some(({ [field]: left }) => left !== undefined && holds(left))
  }
  const read = reading(clause)
  const absent = clause.op === 'IS NULL' || clause.matchesAbsent === true
  return (subject) => {
    const left = read(subject)
    return left === undefined ? absent : holds(left)
  }
}

/**
 * Whether a subject fits all clauses, as MLflow's file store decides: what a subject has not never matches, `!=` and
 * `NOT IN` included, except by `IS NULL`; a dataset clause holds if any of the subject's datasets fits it.
 */
export function matches(clauses: readonly Clause[]): (subject: Subject) => boolean {
  const tests = clauses.map(compiled)
  return (subject) => tests.every((holds) => holds(subject))
}
