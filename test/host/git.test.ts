import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { gitCommit, gitState, recentCommit, withoutCredentials } from '../../src/host/git.js'
import { tempDir } from '../support/temp-dir.js'

const git = (dir: string, ...args: string[]): string =>
  execFileSync('git', ['-C', dir, '-c', 'user.name=a', '-c', 'user.email=a@b.c', ...args], { encoding: 'utf8' }).trim()

/** A repository with one commit of `train.js` and `lib/für alle.js`, on branch `main`. */
function repository(): string {
  const dir = tempDir()
  git(dir, 'init', '-q', '-b', 'main')
  mkdirSync(join(dir, 'lib'))
  writeFileSync(join(dir, 'train.js'), 'one\n')
  writeFileSync(join(dir, 'lib', 'für alle.js'), 'two\n')
  writeFileSync(join(dir, '.gitignore'), 'out/\n')
  git(dir, 'add', '.')
  git(dir, 'commit', '-q', '-m', 'first')
  return dir
}

describe('what git knows of a folder', () => {
  it('is commit, branch, address and tracked files', async () => {
    const dir = repository()
    git(dir, 'remote', 'add', 'origin', 'https://ada:secret@example.org/team/app.git')
    writeFileSync(join(dir, 'untracked.js'), '')
    expect(await gitState(dir)).toEqual({
      commit: git(dir, 'rev-parse', 'HEAD'),
      branch: 'main',
      repoUrl: 'https://example.org/team/app.git',
      dirty: false,
      root: dir,
      files: ['.gitignore', 'lib/für alle.js', 'train.js'],
      diff: '',
    })
  })

  it('has what was changed since the commit, as git apply takes it', async () => {
    const dir = repository()
    writeFileSync(join(dir, 'train.js'), 'changed\n')
    writeFileSync(join(dir, 'weights.bin'), Buffer.from([0, 1, 2, 255]))
    git(dir, 'add', 'weights.bin')
    rmSync(join(dir, 'lib', 'für alle.js'))
    const state = await gitState(dir)
    expect(state).toMatchObject({ dirty: true, files: ['.gitignore', 'train.js', 'weights.bin'] })
    const clone = join(tempDir(), 'clone')
    execFileSync('git', ['clone', '-q', dir, clone])
    writeFileSync(join(clone, '..', 'patch'), state?.diff ?? '')
    git(clone, 'apply', join(clone, '..', 'patch'))
    expect(git(clone, 'status', '--porcelain').split('\n').length).toBe(3)
  })

  it('speaks of the whole repository, whichever of its folders is asked about', async () => {
    const dir = repository()
    expect(await gitState(join(dir, 'lib'))).toEqual(await gitState(dir))
  })

  it('has no branch when a commit is checked out by its id', async () => {
    const dir = repository()
    git(dir, 'checkout', '-q', '--detach')
    expect(await gitState(dir)).toMatchObject({ branch: undefined, repoUrl: undefined })
  })

  it('runs none of the programs that a repository names', async () => {
    const dir = repository()
    const trap = `touch ${join(dir, 'trapped')};`
    for (const key of ['core.fsmonitor', 'diff.external', 'core.pager', 'diff.x.textconv'])
      git(dir, 'config', key, trap)
    writeFileSync(join(dir, '.gitattributes'), '*.js diff=x\n')
    writeFileSync(join(dir, 'train.js'), 'changed\n')
    expect((await gitState(dir))?.diff).toContain('+changed')
    expect(existsSync(join(dir, 'trapped'))).toBe(false)
  })

  it('is nothing outside a repository, before a first commit, in an ignored folder, in none at all', async () => {
    const outside = tempDir()
    const empty = tempDir()
    git(empty, 'init', '-q')
    const ignored = join(repository(), 'out')
    mkdirSync(ignored)
    for (const dir of [outside, empty, ignored, join(outside, 'nowhere'), 'a\0b']) {
      expect(await gitState(dir), dir).toBeUndefined()
      expect(await gitCommit(dir), dir).toBeUndefined()
    }
  })
})

describe('the address of a repository', () => {
  it('is told without what opens it', () => {
    for (const [url, shown] of [
      ['https://example.org/a.git', 'https://example.org/a.git'],
      ['https://ada:s3cret@example.org:8443/a.git', 'https://example.org:8443/a.git'],
      ['https://token@example.org/a.git?key=s3cret', 'https://example.org/a.git'],
      ['https://ada:s3@cret@example.org/a.git', 'https://example.org/a.git'],
      ['HTTPS://ada:s3cret@example.org/@scope/a.git', 'HTTPS://example.org/@scope/a.git'],
      ['ssh://git:s3cret@example.org:22/a.git', 'ssh://git@example.org:22/a.git'],
      ['git@example.org:team/a.git', 'git@example.org:team/a.git'],
      ['/srv/git/a.git', '/srv/git/a.git'],
      ['https://ada:s3/cret@example.org/a.git', undefined],
      ['', undefined],
    ] as const)
      expect(withoutCredentials(url), url).toBe(shown)
  })
})

it.skipIf(process.platform === 'win32')('a thousand runs that start at once ask git for its commit once', async () => {
  const [dir, bin] = [tempDir(), tempDir()]
  writeFileSync(join(bin, 'git'), `#!/bin/sh\necho "$*" >> '${bin}/asked'\necho 1234\nexit 0\n`, { mode: 0o755 })
  const before = process.env.PATH
  process.env.PATH = `${bin}${delimiter}${before}`
  try {
    await Promise.all(Array.from({ length: 1000 }, () => recentCommit(dir)))
  } finally {
    process.env.PATH = before
  }
  expect(readFileSync(join(bin, 'asked'), 'utf8').match(/rev-parse/g)).toHaveLength(1)
})
