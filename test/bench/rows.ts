import { pathToFileURL } from 'node:url'

/** One line of the benchmark: our figure beside another one taken in the same run. */
export interface Row {
  readonly what: string
  readonly ours: string
  readonly beside: string
  /** How many times the other ours is (for speeds, how many times as fast); infinite beside nothing at all. */
  readonly ratio: number
  readonly aim?: string
}

export type Cairn = typeof import('../../src/index.js')

/** Where the built package stands: what users run is measured, not what a TypeScript loader makes of the source. */
export const built = new URL('../../dist/index.js', import.meta.url)

export const cairn = async (): Promise<Cairn> => import(pathToFileURL(built.pathname).href)

export const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN

/** Lets what waits (timers, disk, a buffer's drain) have its turn. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** The rows as a table of text. */
export function table(rows: readonly Row[]): string {
  const cells = [
    ['', 'ours', 'beside', 'ratio', 'aim'],
    ...rows.map((row) => [
      row.what,
      row.ours,
      row.beside,
      Number.isFinite(row.ratio) ? row.ratio.toPrecision(3) : '–',
      row.aim ?? '',
    ]),
  ]
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...cells.map((line) => line[column]!.length)))
  return cells
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
