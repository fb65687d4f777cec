import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { withLock } from '../../src/disk/lock.js'
import { identity, type ProcessIdentity } from '../../src/disk/process.js'
import { UnavailableError } from '../../src/errors.js'
import { tempDir } from '../support/temp-dir.js'
import { isPermitted, unshare } from '../support/unshare.js'

const gone = (): number => spawnSync(process.execPath, ['-e', '']).pid
const [boot = '', space = ''] = identity().space.split(' ')
const evaluating = (script: string): string[] => ['--import', 'tsx', '--input-type=module', '-e', script]
const CONTAINER = unshare()

/** A lock that somebody holds who differs so from this process; undefined for nobody that can be told. */
function heldBy(owner: { readonly [K in keyof ProcessIdentity]?: ProcessIdentity[K] | undefined } | undefined): string {
  const file = join(tempDir(), 'x.lock')
  writeFileSync(file, owner ? JSON.stringify({ ...identity(), ...owner }) : '')
  return file
}
const take = (file: string): string => withLock(file, () => 'done', { waitMs: 20 })

describe('a lock', () => {
  it('is held while the work runs and let go after it, also when it throws', () => {
    const file = join(tempDir(), 'locks/x.lock')
    expect(withLock(file, () => existsSync(file))).toBe(true)
    expect(existsSync(file)).toBe(false)
    expect(() =>
      withLock(file, () => {
        throw new Error('no')
      }),
    ).toThrow('no')
    expect(existsSync(file)).toBe(false)
  })
  it('of a dead process is taken over', () => {
    expect(take(heldBy({ pid: gone() }))).toBe('done')
  })
  it('of a process whose pid another has now is taken over', () => {
    const { started } = identity()
    if (started) expect(take(heldBy({ started: `${started}0` }))).toBe('done')
  })
  it('of a living process is waited for, and named when the wait is over', () => {
    const file = heldBy({})
    expect(() => take(file)).toThrow(UnavailableError)
    expect(() => take(file)).toThrow(String(process.pid))
  })
  it.each([
    ['of another machine', { host: 'elsewhere', pid: 1 }],
    ['of another container by the same name, whose pids are others', { space: `${boot} pid:[1]`, pid: gone() }],
    ['of before the machine started anew, or of another by the same name', { space: `0000 ${space}`, pid: gone() }],
    ['unreadable', undefined],
  ])('%s is taken over once it is a minute old', (_, owner) => {
    const file = heldBy(owner)
    expect(() => take(file)).toThrow(UnavailableError)
    utimesSync(file, 0, 0)
    expect(take(file)).toBe('done')
  })
  it('that says no space of processes, as older versions wrote it, is judged by the pid where there are no spaces', () => {
    const file = heldBy({ pid: gone(), space: undefined })
    if (identity().space) expect(() => take(file)).toThrow(UnavailableError)
    else expect(take(file)).toBe('done')
    utimesSync(file, 0, 0)
    expect(take(file)).toBe('done')
  })
  it.skipIf(!isPermitted([...CONTAINER, 'true']))(
    'is not taken from one that lives by a container of the same name (needs unshare, and the right to)',
    () => {
      const file = join(tempDir(), 'x.lock')
      const script = `
        import { withLock } from ${JSON.stringify(resolve('src/disk/lock.ts'))}
        try {
          console.log(withLock(${JSON.stringify(file)}, () => 'taken', { waitMs: 20 }))
        } catch (error) {
          console.log(process.pid, error.message)
        }`
      const [program = '', ...words] = CONTAINER
      const tried = () =>
        execFileSync(program, [...words, process.execPath, ...evaluating(script)], { encoding: 'utf8' })
      expect(withLock(file, tried)).toContain(`1 The lock ${file} is held by process ${process.pid} on`)
      expect(tried()).toBe('taken\n')
    },
  )
  it('keeps processes apart', async () => {
    const dir = tempDir()
    const counter = join(dir, 'count')
    writeFileSync(counter, '0')
    const script = `
      import { readFileSync, writeFileSync } from 'node:fs'
      import { withLock } from ${JSON.stringify(resolve('src/disk/lock.ts'))}
      for (let i = 0; i < 100; i++)
        withLock(${JSON.stringify(join(dir, 'x.lock'))}, () => {
          const file = ${JSON.stringify(counter)}
          writeFileSync(file, String(Number(readFileSync(file, 'utf8')) + 1))
        })`
    const run = () =>
      new Promise((done) => {
        spawn(process.execPath, evaluating(script), { stdio: 'inherit' }).on('exit', done)
      })
    expect(await Promise.all([run(), run(), run()])).toEqual([0, 0, 0])
    expect(readFileSync(counter, 'utf8')).toBe('300')
  })
})
