/** A table of texts. */
export interface Rows {
  readonly columns: readonly string[]
  readonly data: readonly (readonly string[])[]
}

/** What a text is as a table: MLflow's `{ columns, data }`, a list of records, CSV or TSV; nothing when it is none. */
export function rowsOf(text: string, ending: string): Rows | undefined {
  if (ending === 'csv') return separated(text, ',')
  if (ending === 'tsv') return separated(text, '\t')
  if (ending !== 'json') return undefined
  try {
    return fromJson(JSON.parse(text))
  } catch {
    return undefined
  }
}

const cell = (value: unknown): string =>
  value === null || value === undefined ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value)

function fromJson(value: unknown): Rows | undefined {
  if (Array.isArray(value)) {
    if (value.length === 0 || !value.every((row) => row !== null && typeof row === 'object' && !Array.isArray(row)))
      return undefined
    const columns = [...new Set(value.flatMap((row) => Object.keys(row as object)))]
    return {
      columns,
      data: value.map((row) => columns.map((column) => cell((row as Record<string, unknown>)[column]))),
    }
  }
  const { columns, data } = (value ?? {}) as { columns?: unknown; data?: unknown }
  if (!Array.isArray(columns) || !Array.isArray(data) || !data.every(Array.isArray)) return undefined
  return { columns: columns.map(cell), data: data.map((row: unknown[]) => row.map(cell)) }
}

function separated(text: string, separator: string): Rows | undefined {
  const rows: string[][] = []
  let row: string[] = []
  let field = ''
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const at = text[i] ?? ''
    if (quoted) {
      if (at !== '"') field += at
      else if (text[i + 1] === '"') {
        field += '"'
        i++
      } else quoted = false
    } else if (at === '"' && field === '') quoted = true
    else if (at === separator) {
      row.push(field)
      field = ''
    } else if (at === '\n') {
      rows.push([...row, field.replace(/\r$/, '')])
      row = []
      field = ''
    } else field += at
  }
  if (field !== '' || row.length > 0) rows.push([...row, field])
  const [columns, ...data] = rows
  return columns && data.length > 0 ? { columns, data } : undefined
}
