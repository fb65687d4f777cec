/** A part of an axis. */
export interface Zoom {
  readonly from: number
  readonly to: number
}

/** The narrowest part that is shown, as a share of the numbers on the axis: below, ticks could not be told apart. */
const NARROWEST = 1e-12

/** What is shown after a key was pressed on a chart that shows a part of the whole; undefined for a key that does nothing there. */
export function zoomed({ from, to }: Zoom, whole: Zoom, key: string): Zoom | undefined {
  const width = to - from
  const within = (start: number, size: number): Zoom => {
    const kept = Math.min(size, whole.to - whole.from)
    const at = Math.max(whole.from, Math.min(start, whole.to - kept))
    return { from: at, to: at + kept }
  }
  const narrowest = NARROWEST * Math.max(Math.abs(whole.from), Math.abs(whole.to))
  if (key === '+' || key === '=') return width / 2 < narrowest ? undefined : within(from + width / 4, width / 2)
  if (key === '-') return within(from - width / 2, width * 2)
  if (key === 'ArrowLeft') return within(from - width / 4, width)
  if (key === 'ArrowRight') return within(from + width / 4, width)
  if (key === '0' || key === 'Escape') return whole
  return undefined
}
