import { TestRunner } from 'vitest'
import type { Ended } from './child.js'

/** What came of processes that met a fault: a line of the test report. */
export interface FaultLine {
  /** Points that were logged: the calls had returned. */
  readonly logged: number
  /** Points that are in the store in the end, each counted once. */
  readonly arrived: number
  /** Points that are there once more; undefined where nobody counted. */
  readonly twice?: number | undefined
  /** How they ended, by `exitOf`. */
  readonly exit?: string | undefined
  /** The longest of the calls that logged. */
  readonly longestMs?: number | undefined
  /** From the start of the first process to the end of the last. */
  readonly seconds?: number | undefined
  /** What the figures do not say by themselves. */
  readonly note?: string | undefined
}

declare module 'vitest' {
  interface TaskMeta {
    /** Lines of the test's newest try. */
    faults?: { readonly attempt: number; readonly lines: FaultLine[] }
  }
}

/** Puts a line of the test that runs into the report. */
export function recordFault(line: FaultLine): void {
  const test = TestRunner.getCurrentTest()
  if (!test) throw new Error('No test runs')
  const attempt = test.result?.retryCount ?? 0
  if (test.meta.faults?.attempt !== attempt) test.meta.faults = { attempt, lines: [] }
  test.meta.faults?.lines.push(line)
}

/** How processes ended, each way once. */
export const exitOf = (...ends: readonly Pick<Ended, 'code' | 'signal'>[]): string =>
  [...new Set(ends.map(({ code, signal }) => String(signal ?? code)))].join(', ')
