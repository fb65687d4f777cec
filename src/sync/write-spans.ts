/** When copies wrote files of a local store: none but theirs were written then. */
export interface Written {
  /** The id of the run or model whose files they were. */
  readonly from: string
  /** First and last change of each copy, in epoch milliseconds. */
  readonly spans: readonly (readonly [number, number])[]
}

/** What an older span loses is sent once more. */
const MOST_SPANS = 50

/** Reads what a tag remembers; nothing when it is none of ours, or of the files of another. */
export function readWritten(text: string | undefined, from: string): Written {
  const none = { from, spans: [] }
  try {
    const { from: of, spans } = JSON.parse(text ?? 'null') as Written
    const isSpan = (span: unknown) => Array.isArray(span) && span.length === 2 && span.every(Number.isFinite)
    return of === from && Array.isArray(spans) && spans.every(isSpan) ? { from, spans } : none
  } catch {
    return none
  }
}

/** Whether a file that changed last at this time is as a copy wrote it. */
export const isWritten = ({ spans }: Written, ctimeMs: number): boolean =>
  spans.some(([first, last]) => first <= ctimeMs && ctimeMs <= last)

/** The text of the tag, with the times of one copy more. */
export const withSpan = ({ from, spans }: Written, span: readonly [number, number]): string =>
  JSON.stringify({ from, spans: [...spans, span].slice(-MOST_SPANS) })
