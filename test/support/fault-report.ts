import type { Reporter } from 'vitest/node'
import type { FaultLine } from './fault-line.js'
import { FAULTS, FILES, type Place } from './fault-rows.js'

/** A test as the report needs it. */
export interface Told {
  /** Below `test`. */
  readonly file: string
  /** With those of the suites that it is in. */
  readonly name: string
  readonly isSkipped: boolean
  readonly lines: readonly FaultLine[]
}

const HEAD = ['fault', 'logged', 'arrived', 'twice', 'exit', 'longest call, ms', 'process, s']
const WIDEST = 88

const shortened = (text: string): string => (text.length > WIDEST ? `${text.slice(0, WIDEST - 1)}…` : text)

const isAt = ({ file, name }: Told, [place, words]: Place): boolean => FILES[place] === file && name.includes(words)

const short = (file: string): string => file.replace(/^spool\/|(\.test)?\.ts$/g, '')

const cells = (test: Told, line: FaultLine): string[] => [
  `     ${shortened(`${short(test.file)}: ${test.name.split(' > ').at(-1)}`)}`,
  ...[line.logged, line.arrived, line.twice ?? ''].map(String),
  line.exit ?? '',
  line.longestMs?.toFixed(1) ?? '',
  line.seconds?.toFixed(1) ?? '',
  line.note ?? '',
]

/** Where the tests of a fault are of which none had processes in this run. */
function elsewhere(tests: readonly Told[], places: readonly Place[]): string {
  const where = places.map((place) => {
    const there = tests.filter((test) => isAt(test, place))
    const isSkipped = there.length > 0 && there.every((test) => test.isSkipped)
    return short(FILES[place[0]]) + (isSkipped ? ' (skipped)' : '')
  })
  return `none in this run: see ${[...new Set(where)].join(', ')}`
}

/** Every fault of the matrix and below it what came of each process that met it; undefined where none did. */
export function faultTable(tests: readonly Told[]): string | undefined {
  if (tests.every(({ lines }) => lines.length === 0)) return undefined
  const rows = FAULTS.flatMap(({ row, fault, places }) => {
    const met = tests.filter((test) => places.some((place) => isAt(test, place)))
    const lines = met.flatMap((test) => test.lines.map((line) => cells(test, line)))
    const title = `${`${row}`.padStart(3)}  ${fault}`
    return lines.length > 0 ? [[title], ...lines] : [[`${title}; ${elsewhere(tests, places)}`]]
  })
  const widths = HEAD.map((head, at) =>
    Math.max(head.length, ...rows.filter(({ length }) => length > 1).map((row) => row[at]!.length)),
  )
  const text = (row: readonly string[]) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')
  return [HEAD, ...rows].map((row) => text(row).trimEnd()).join('\n')
}

/** Prints the table when all tests are through. */
export const faultReport: Reporter = {
  onTestRunEnd(modules) {
    const tests = modules.flatMap((module) =>
      [...module.children.allTests()].map((test) => ({
        file: module.relativeModuleId.replace(/^test\//, ''),
        name: test.fullName,
        isSkipped: test.result().state === 'skipped',
        lines: test.meta().faults?.lines ?? [],
      })),
    )
    const table = faultTable(tests)
    if (table) process.stdout.write(`\n${table}\n\n`)
  },
}
