import { appendBytes, closeLog, readRange } from '../disk/log-file.js'

/** Which files of a folder have reached a place, noted beside the folder so that another process goes on from there. */
export interface Sent {
  has(path: string): boolean
  add(path: string): void
  close(): void
}

const MOST = 64 << 20

/** The notes on a folder, for one place: those for another place do not count. */
export function sentFiles(dir: string, place: string): Sent {
  const file = `${dir}.sent`
  const line = (path: string) => `${JSON.stringify([place, path])}\n`
  const known = new Set(
    new TextDecoder()
      .decode(readRange(file, 0, MOST) ?? new Uint8Array())
      .split('\n')
      .map((text) => `${text}\n`),
  )
  return {
    has: (path) => known.has(line(path)),
    add(path) {
      known.add(line(path))
      try {
        // A line that was cut stands alone and means nothing.
        appendBytes(file, new TextEncoder().encode(`\n${line(path)}`))
      } catch {
        // A full disk: the file is sent once more by whoever goes on.
      }
    },
    close: () => closeLog(file),
  }
}
