import type { WriteStream } from 'node:tty'

/** Where words go, and how wide it is there. */
export interface Terminal {
  /** Columns of the terminal; absent when the output goes to a file or another program, which gets whole lines. */
  readonly width: number | undefined
  readonly bold: (text: string) => string
  /** Writes lines to standard output. */
  out(text: string): void
  /** Writes lines to standard error. */
  err(text: string): void
  /** Shows how far something is, on a terminal only; the empty text takes it away. */
  progress(text: string): void
}

/** The terminal of two streams; there is no colour where nobody looks, nor with `NO_COLOR`. */
export function terminal(stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream): Terminal {
  const colours = stdout.isTTY === true && (stdout as WriteStream).hasColors()
  return {
    width: stdout.isTTY ? stdout.columns : undefined,
    bold: (text) => (colours ? `\u001b[1m${text}\u001b[22m` : text),
    out: (text) => void stdout.write(`${text}\n`),
    err: (text) => void stderr.write(`${text}\n`),
    progress: (text) => void (stderr.isTTY && stderr.write(`\r\u001b[2K${text}`)),
  }
}

/** Ends the process when its output cannot be written, without a word when whoever reads it has had enough (`… | head`). */
export function endWhenUnwritable(stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream): void {
  for (const stream of [stdout, stderr])
    stream.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      if (code === 'EPIPE') process.exit(0)
      if (stream === stdout) stderr.write(`error: The output cannot be written: ${message}\n`)
      process.exit(1)
    })
}

/** A text that cannot move the cursor or change colours: names and tags are anybody's to write. */
export const plain = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ')
