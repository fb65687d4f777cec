import { listNames } from '../../disk/walk.js'
import { type FileState, readWithState, stateOf } from '../../disk/write.js'

/** Remembers what small files said and what folders hold, for as long as nobody has changed them. */
export interface Memo {
  /** What `parse` makes of the file's text; undefined when there is no file. One file is always parsed the same way. */
  read<T>(file: string, parse: (text: string) => T): T | undefined
  /** The names of the folders in a folder, links left out, in no order; none when it is not there. */
  dirs(dir: string): readonly string[]
  /** The paths of all regular files below a folder, sorted; links are not followed. */
  files(dir: string): string[]
}

// A file written again within the clock's tick, to the same size, looks unchanged: what is that young is not kept.
const SETTLED_MS = 100
// Some file systems count whole seconds, or two.
const COARSE_MS = 2500
/** What all that is kept may take, in bytes as `costOf` guesses them. */
const MOST = 64_000_000
const LONGEST = 8_000

/** Whether a file is as it was; a missing one never is. */
export const isSame = (a: FileState, b: FileState | undefined): boolean =>
  b !== undefined && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.size === b.size && a.inode === b.inode

/** Whether a file was last changed long enough ago that its state tells every later change. */
export function isSettled({ mtimeMs, ctimeMs }: FileState): boolean {
  const now = Date.now()
  const needed = mtimeMs % 1000 === 0 ? COARSE_MS : SETTLED_MS
  return Math.abs(now - mtimeMs) > needed && Math.abs(now - ctimeMs) > needed
}

/** Entry, state and path; what was parsed is no longer than its text, and of a long text (a history) little is kept. */
const costOf = (file: string, text: string): number => 250 + file.length + Math.min(text.length, LONGEST)

type Names = ReturnType<typeof listNames>
const EMPTY: Names = { dirs: [], files: [] }
const NAME_COST = 40

const costOfNames = (dir: string, { dirs, files }: Names): number =>
  [...dirs, ...files].reduce((sum, name) => sum + NAME_COST + name.length, costOf(dir, ''))

/** Remembers some 64 MB at most. */
export function memo(): Memo {
  const known = new Map<string, { readonly state: FileState; readonly value: unknown }>()
  let cost = 0

  function keep(path: string, state: FileState, value: unknown, price: number): void {
    if (!known.has(path)) cost += price
    if (cost > MOST) {
      known.clear()
      cost = 0
    }
    known.set(path, { state, value })
  }

  // What is made, removed or renamed in a folder changes the folder's own time.
  function list(dir: string): Names {
    const state = stateOf(dir)
    const old = known.get(dir)
    if (old && isSame(old.state, state)) return old.value as Names
    known.delete(dir)
    if (!state?.isDirectory) return EMPTY
    const names = listNames(dir)
    if (isSettled(state)) keep(dir, state, names, costOfNames(dir, names))
    return names
  }

  return {
    dirs: (dir) => list(dir).dirs,
    files(dir) {
      const found: string[] = []
      const open: string[] = ['']
      for (let prefix = open.pop(); prefix !== undefined; prefix = open.pop()) {
        const { dirs, files } = list(dir + prefix)
        const inner = prefix.slice(1)
        for (const name of files) found.push(inner ? `${inner}/${name}` : name)
        for (const name of dirs) open.push(`${prefix}/${name}`)
      }
      return found.sort()
    },
    read<T>(file: string, parse: (text: string) => T): T | undefined {
      const old = known.get(file)
      if (old && isSame(old.state, stateOf(file))) return old.value as T
      const found = readWithState(file)
      if (found === undefined) {
        known.delete(file)
        return undefined
      }
      const value = parse(found.text)
      if (!isSettled(found.state)) {
        known.delete(file)
        return value
      }
      keep(file, found.state, value, costOf(file, found.text))
      return value
    },
  }
}
