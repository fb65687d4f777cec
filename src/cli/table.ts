import { plain } from './terminal.js'

/** A column of a table. */
export interface Column {
  readonly title: string
  /** `always`: neither cut nor left out; `whole`: left out rather than cut. Others are cut, and left out at the last. */
  readonly keep?: 'always' | 'whole'
}

const GAP = 2
const LEAST = 8

/** How many columns of a terminal a text takes: two for wide characters, none for marks that combine. */
export function widthOf(text: string): number {
  let width = 0
  for (const char of text) {
    if (/[\p{M}\p{Cf}]/u.test(char)) continue
    width +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
        char,
      )
        ? 2
        : 1
  }
  return width
}

function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let kept = ''
  for (const char of text) {
    if (widthOf(kept + char) > width - 1) break
    kept += char
  }
  return `${kept}…`
}

/** The widths at which a table fits: first the widest columns are cut, then whole ones left out, the last first. */
function fitted(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  const byTurn = columns.map((_, i) => i).reverse()
  const leave = [
    ...byTurn.filter((i) => columns[i]?.keep === 'whole'),
    ...byTurn.filter((i) => columns[i]?.keep === undefined),
  ]
  for (let left = 0; ; left++) {
    const gone = new Set(leave.slice(0, left))
    const widths = natural.map((one, i) => (gone.has(i) ? 0 : one))
    let over = widths.reduce((sum, one) => sum + (one > 0 ? one + GAP : 0), -GAP) - width
    for (;;) {
      if (over <= 0 || left > leave.length) return widths
      const open = widths.flatMap((one, i) => (columns[i]?.keep === undefined && one > LEAST ? [i] : []))
      if (open.length === 0) break
      const widest = open.reduce((best, i) => (widths[i]! > widths[best]! ? i : best))
      widths[widest]!--
      over--
    }
  }
}

/** Rows under titles, aligned, no line longer than `width`; without a width nothing is cut. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  {
    width,
    bold = (text) => text,
  }: { readonly width?: number | undefined; readonly bold?: (text: string) => string } = {},
): string {
  const cells = rows.map((row) => row.map(plain))
  const titles = columns.map(({ title }) => title)
  const natural = titles.map((title, i) => Math.max(widthOf(title), ...cells.map((row) => widthOf(row[i] ?? ''))))
  const widths = width === undefined ? natural : fitted(columns, natural, width)
  const line = (row: readonly string[]) =>
    row
      .flatMap((cell, i) => {
        const room = widths[i] ?? 0
        const text = cut(cell, room)
        return room === 0 ? [] : [text + ' '.repeat(Math.max(0, room - widthOf(text)))]
      })
      .join(' '.repeat(GAP))
      .trimEnd()
  return [bold(line(titles)), ...cells.map(line)].join('\n')
}
