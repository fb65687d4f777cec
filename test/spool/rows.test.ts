import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { faultTable } from '../support/fault-report.js'
import { FAULTS, FILES } from '../support/fault-rows.js'

it('every fault has its number', () => {
  expect(FAULTS.map(({ row }) => row)).toEqual([...Array.from({ length: 43 }, (_, at) => at + 1), 57, 58, 59])
})

it.each(FAULTS)('$row, $fault, is tested', ({ places }) => {
  expect(places.length).toBeGreaterThan(0)
  for (const [file, words] of places)
    expect(readFileSync(new URL(`../${FILES[file]}`, import.meta.url), 'utf8'), FILES[file]).toContain(words)
})

describe('the table of the report', () => {
  const line = { logged: 10, arrived: 9, twice: 1, exit: 'SIGKILL', longestMs: 2.04, seconds: 1, note: 'one is lost' }
  const test = { file: 'spool/matrix.test.ts', name: "a process > 'SIGKILL'", isSkipped: false, lines: [line] }

  it('has each process below its fault, and says of other faults where they are tested', () => {
    const text = faultTable([
      test,
      { file: 'spool/kills.test.ts', name: 'before a kill at any write, rename or link', isSkipped: true, lines: [] },
    ])
    const lines = text!.split('\n').map((row) => row.split(/ {2,}/))
    expect(lines[1]).toEqual(['', '1', 'SIGKILL at a random time'])
    expect(lines[2]).toEqual(['', "matrix: 'SIGKILL'", '10', '9', '1', 'SIGKILL', '2.0', '1.0', 'one is lost'])
    expect(lines[3]?.at(-1)).toMatch(/; none in this run: see kills \(skipped\), soak\/run$/)
    expect(lines).toHaveLength(2 + FAULTS.length)
  })

  it('is none where no process met a fault', () => {
    expect(faultTable([{ ...test, lines: [] }])).toBeUndefined()
  })
})
