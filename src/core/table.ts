import { IntegrityError, InvalidParameterError, ProtocolError } from '../errors.js'
import { described, isRecord } from './options.js'

/** Rows as objects, or columns as lists of one length. */
export type TableInput = readonly Readonly<Record<string, unknown>>[] | Readonly<Record<string, readonly unknown[]>>

/** A table as pandas writes it with `orient='split'`. */
export interface SplitTable {
  readonly columns: readonly string[]
  readonly data: readonly (readonly unknown[])[]
}

/** Rows or columns in the split form; absent cells are null. */
export function splitTable(table: TableInput): SplitTable {
  if (Array.isArray(table)) {
    const rows = table as readonly Readonly<Record<string, unknown>>[]
    if (!rows.every(isRecord))
      throw new InvalidParameterError('Each row of a table is an object, like { epoch: 1, loss: 0.3 }')
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
    return { columns, data: rows.map((row) => columns.map((column) => row[column] ?? null)) }
  }
  if (!isRecord(table))
    throw new InvalidParameterError(`A table is a list of rows, or lists by column, not ${described(table)}`)
  const lists = Object.entries(table as Readonly<Record<string, readonly unknown[]>>)
  const length = lists[0]?.[1]?.length ?? 0
  for (const [column, values] of lists)
    if (!Array.isArray(values) || values.length !== length)
      throw new InvalidParameterError(
        `The column ${JSON.stringify(column)} has ${Array.isArray(values) ? values.length : 'no'} values, the first has ${length}; all must have the same number`,
      )
  return {
    columns: lists.map(([column]) => column),
    data: Array.from({ length }, (_, row) => lists.map(([, values]) => values[row] ?? null)),
  }
}

/** Adds rows to a table that is there; new columns are filled with null above. */
export function appendRows(before: SplitTable, added: SplitTable): SplitTable {
  const columns = [...new Set([...before.columns, ...added.columns])]
  const fill = ({ columns: own, data }: SplitTable) => {
    const places = columns.map((column) => own.indexOf(column))
    return data.map((row) => places.map((place) => (place < 0 ? null : (row[place] ?? null))))
  }
  return { columns, data: [...fill(before), ...fill(added)] }
}

/** Whether a table has these rows from the n-th on, whatever columns it has beside. */
export function hasRows({ columns, data }: SplitTable, from: number, rows: SplitTable): boolean {
  const places = rows.columns.map((column) => columns.indexOf(column))
  const there = data.slice(from, from + rows.data.length).map((row) => places.map((place) => row[place] ?? null))
  return !places.includes(-1) && JSON.stringify(there) === JSON.stringify(rows.data)
}

/** A table's text; `IntegrityError` when it is something else, `ProtocolError` when a page came in its place. */
export function readTable(text: string, file: string): SplitTable {
  if (/^\s*<(!doctype|html)/i.test(text)) throw isPage(text, file)
  try {
    const { columns, data } = JSON.parse(text) as Partial<SplitTable>
    if (Array.isArray(columns) && Array.isArray(data) && data.every(Array.isArray)) return { columns, data }
  } catch {
    // Said below.
  }
  throw new IntegrityError(`${JSON.stringify(file)} is there and is no table in the split form; use another name`)
}

function isPage(text: string, file: string): ProtocolError {
  const [, title] = /<title[^>]*>([^<]{1,160})/i.exec(text) ?? []
  const what = title === undefined ? 'an HTML page' : `an HTML page ("${title.replace(/[\p{Cc}\s]+/gu, ' ').trim()}")`
  return new ProtocolError(
    `Where the table ${JSON.stringify(file)} was asked for, ${what} came: a login page, a captive portal or another service answered in the server's place, or a page was logged under that name`,
  )
}
