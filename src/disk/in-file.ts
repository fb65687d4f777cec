import { closeSync, constants, openSync } from 'node:fs'

/** The flag by which a link in a file's place is refused; 0 where the platform has none. */
export const NOFOLLOW = constants.O_NOFOLLOW ?? 0

/** What `work` answers of a file, which is open until then. */
export function inFile<T>(file: string, flags: number, work: (fd: number) => T): T {
  const fd = openSync(file, flags)
  try {
    return work(fd)
  } finally {
    closeSync(fd)
  }
}
