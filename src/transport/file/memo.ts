import { type FileState, readText, stateOf } from '../../disk/write.js'

/** Remembers what small files said, for as long as nobody has changed them. */
export interface Memo {
  /** What `parse` makes of the file's text; undefined when there is no file. One file is always parsed the same way. */
  read<T>(file: string, parse: (text: string) => T): T | undefined
}

// A file written again within the clock's tick, to the same size, looks unchanged: what is that young is not kept.
const SETTLED_MS = 100
// Some file systems count whole seconds, or two.
const COARSE_MS = 2500
const MOST = 200_000

/** Whether a file is as it was; a missing one never is. */
export const isSame = (a: FileState, b: FileState | undefined): boolean =>
  b !== undefined && a.mtimeNs === b.mtimeNs && a.size === b.size && a.inode === b.inode

/** Whether a file was last changed long enough ago that its state tells every later change. */
export function isSettled(state: FileState): boolean {
  const needed = state.mtimeNs % 1_000_000_000n === 0n ? COARSE_MS : SETTLED_MS
  return Math.abs(Date.now() - Number(state.mtimeNs / 1_000_000n)) > needed
}

/** A memo of at most 200,000 files. */
export function memo(): Memo {
  const known = new Map<string, { readonly state: FileState; readonly value: unknown }>()
  return {
    read<T>(file: string, parse: (text: string) => T): T | undefined {
      const state = stateOf(file)
      const old = known.get(file)
      if (old && isSame(old.state, state)) return old.value as T
      if (old) known.delete(file)
      const text = state && !state.isDirectory ? readText(file) : undefined
      if (state === undefined || text === undefined) return undefined
      const value = parse(text)
      if (known.size >= MOST) known.clear()
      if (isSettled(state)) known.set(file, { state, value })
      return value
    },
  }
}
