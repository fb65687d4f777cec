/** A kill ends a write at a page's edge, if at all: the kernel copies page by page, and looks for signals in between. */
const PAGE = 4096
/** Room kept before an edge after each append, so that the next one begins with a line that has place. */
const MARGIN = 80

/**
 * The lines with blanks at the end of some, so that none lies across a page's edge when they are appended at `offset`: a
 * kill in the middle of the write then leaves whole lines. One that has no place before the next edge stays as it is.
 */
export function clearOfEdges(lines: string, offset: number): string {
  let text = ''
  let taken = 0
  while (taken < lines.length) {
    const room = PAGE - ((offset + text.length) % PAGE)
    const rest = lines.length - taken
    if (rest + MARGIN <= room || rest === room) return text + lines.slice(taken)
    const last = lines.lastIndexOf('\n', taken + room - 1)
    const end = last < taken ? lines.indexOf('\n', taken) : last
    if (end < 0) return text + lines.slice(taken)
    const blanks = last < taken ? 0 : taken + room - 1 - end
    text += `${lines.slice(taken, end)}${' '.repeat(blanks)}\n`
    taken = end + 1
  }
  return text
}
