import { execFile } from 'node:child_process'

/** What git knows of a folder. */
export interface GitState {
  /** The full id of the commit that is checked out. */
  readonly commit: string
  /** The branch; absent when a commit is checked out by its id. */
  readonly branch: string | undefined
  /** Where `origin` is, without user names and passwords. */
  readonly repoUrl: string | undefined
  /** Whether a file that git tracks differs from the commit. */
  readonly dirty: boolean
  /** The repository's own folder, absolute. */
  readonly root: string
  /** The files that git tracks and that are there, relative to `root`, separated by `/`. */
  readonly files: readonly string[]
  /** What differs from the commit, as `git apply` takes it; absent when it is longer than 64 MiB or took too long. */
  readonly diff: string | undefined
}

const TIME_LIMIT_MS = 10_000
const LONGEST_ANSWER = 64 * 1024 * 1024
const SUBMODULE = '160000'

/** Git's answer, or nothing when it says no, is not installed or takes too long. */
function git(dir: string, ...args: readonly string[]): Promise<string | undefined> {
  // A repository's own settings name programs that git would run; none of them is needed here.
  const fixed = ['-C', dir, '--no-optional-locks', '-c', 'core.fsmonitor=false', '-c', 'core.quotePath=false']
  const options = { timeout: TIME_LIMIT_MS, maxBuffer: LONGEST_ANSWER, windowsHide: true }
  return new Promise((resolve) => {
    try {
      const child = execFile('git', [...fixed, ...args], options, (error, stdout) =>
        resolve(error ? undefined : stdout),
      )
      child.stdin?.end()
    } catch {
      // A folder's name that no program can be given, such as one with a zero byte.
      resolve(undefined)
    }
  })
}

const line = (text: string | undefined): string | undefined => text?.trim() || undefined

/**
 * The commit that a folder is at; nothing outside a repository, before its first commit, in a folder that git ignores, or
 * without git. Never throws.
 */
export async function gitCommit(dir: string): Promise<string | undefined> {
  const [commit, ignored] = await Promise.all([
    git(dir, 'rev-parse', '--verify', 'HEAD'),
    // Succeeds, saying nothing, for a folder that is ignored.
    git(dir, 'check-ignore', '-q', '.'),
  ])
  return ignored === undefined ? line(commit) : undefined
}

/** A program may start thousands of runs, and each question starts two processes. */
const FRESH_MS = 2_000
const asked = new Map<string, { readonly at: number; readonly commit: Promise<string | undefined> }>()

/** As `gitCommit`, by an answer that may be two seconds old. */
export function recentCommit(dir: string): Promise<string | undefined> {
  const known = asked.get(dir)
  const now = performance.now()
  if (known !== undefined && now - known.at < FRESH_MS) return known.commit
  const commit = gitCommit(dir)
  asked.set(dir, { at: now, commit })
  return commit
}

/** All that git knows of a folder; nothing where `gitCommit` knows nothing. Never throws. */
export async function gitState(dir: string): Promise<GitState | undefined> {
  const [commit, top] = await Promise.all([gitCommit(dir), git(dir, 'rev-parse', '--show-toplevel')])
  // One line end is git's; a folder's name may have more of its own.
  const root = top?.replace(/\r?\n$/, '')
  if (commit === undefined || !root) return undefined
  const [branch, url, status, staged, deleted, diff] = await Promise.all([
    git(root, 'symbolic-ref', '--short', '-q', 'HEAD'),
    git(root, 'config', '--get', 'remote.origin.url'),
    git(root, 'status', '--porcelain', '--untracked-files=no', '--ignore-submodules=dirty'),
    git(root, 'ls-files', '-z', '--stage'),
    git(root, 'ls-files', '-z', '--deleted'),
    git(root, 'diff', '--no-ext-diff', '--no-textconv', '--no-color', '--binary', 'HEAD'),
  ])
  return {
    commit,
    branch: line(branch),
    repoUrl: url === undefined ? undefined : withoutCredentials(url.trim()),
    dirty: status === undefined ? diff !== '' : status !== '',
    root,
    files: present(staged ?? '', deleted ?? ''),
    diff,
  }
}

/** The files of `ls-files --stage` (`mode id stage<tab>path`) that are neither submodules nor gone. */
function present(staged: string, deleted: string): string[] {
  const gone = new Set(deleted.split('\0'))
  const files = staged.split('\0').flatMap((entry) => {
    const path = entry.slice(entry.indexOf('\t') + 1)
    return entry === '' || entry.startsWith(SUBMODULE) || gone.has(path) ? [] : [path]
  })
  // In the middle of a merge a file is listed once for every side.
  return [...new Set(files)]
}

/**
 * The address of a repository without what opens it: user and password of `http(s)` URLs, the password of others, any
 * query. `git@host:path` stays. An address that cannot be told apart from its password is nothing.
 */
export function withoutCredentials(url: string): string | undefined {
  const parts = /^([a-z][a-z0-9+.-]*:\/\/)([^/]*)(.*)$/is.exec(url)
  if (!parts) return url || undefined
  const [, scheme = '', authority = '', rest = ''] = parts
  const at = authority.lastIndexOf('@')
  const host = authority.slice(at + 1)
  if (!/^(?:\[[\da-f:.]+\]|[^:@]*)(?::\d*)?$/i.test(host)) return undefined
  const user = at < 0 || /^http/i.test(scheme) ? '' : `${authority.slice(0, at).split(':')[0]}@`
  return `${scheme}${user}${host}${rest.replace(/[?#].*$/s, '')}`
}
