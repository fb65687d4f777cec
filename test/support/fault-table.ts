import { afterAll, expect } from 'vitest'
import type { Outcome } from './spool-child.js'

const HEAD = ['fault', 'logged', 'arrived', 'twice', 'exit', 'longest call, ms', 'process, s']

/** The rows of a file's tests, shown in the report when they are through. */
export function faultTable() {
  const rows = [HEAD]
  afterAll(() => {
    if (rows.length === 1) return
    const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
    const line = (row: readonly string[]) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd()
    process.stdout.write(`\n${rows.map(line).join('\n')}\n\n`)
  })
  return {
    /** As `add`, under the name of the test, of a run that ended well and has all its points once; fails when it has not. */
    whole(logged: number, seen: Outcome, begun: number): void {
      this.add(expect.getState().currentTestName?.split(' > ').slice(1).join(': ') ?? '', logged, seen, begun)
      const { steps, twice, status, code } = seen
      expect({ points: steps.length, twice, status, code }).toEqual({
        points: logged,
        twice: 0,
        status: 'FINISHED',
        code: 0,
      })
    },
    /** What came of one fault; `begun` is when its process was started, by `performance.now()`. */
    add(fault: string, logged: number, seen: Outcome, begun: number): void {
      const worst = /worst (\S+)/.exec(seen.stdout)?.[1] ?? ''
      const arrived = new Set(seen.steps).size
      const seconds = ((performance.now() - begun) / 1000).toFixed(1)
      rows.push([fault, `${logged}`, `${arrived}`, `${seen.twice}`, String(seen.signal ?? seen.code), worst, seconds])
    },
  }
}
