import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isAlive, thisProcess, withLock } from '../../src/disk/lock.js'
import { UnavailableError } from '../../src/errors.js'
import { tempDir } from '../support/temp-dir.js'

const gone = (): number => spawnSync(process.execPath, ['-e', '']).pid

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
    const file = join(tempDir(), 'x.lock')
    writeFileSync(file, JSON.stringify({ pid: gone(), host: hostname(), started: '1' }))
    expect(withLock(file, () => 'done')).toBe('done')
  })
  it('of a process whose pid another has now is taken over', () => {
    const file = join(tempDir(), 'x.lock')
    const { started } = thisProcess()
    writeFileSync(file, JSON.stringify({ pid: process.pid, host: hostname(), started: started && `${started}0` }))
    if (started) expect(withLock(file, () => 'done')).toBe('done')
  })
  it('of a living process is waited for, and named when the wait is over', () => {
    const file = join(tempDir(), 'x.lock')
    writeFileSync(file, JSON.stringify(thisProcess()))
    const attempt = () => withLock(file, () => 'done', { waitMs: 20 })
    expect(attempt).toThrow(UnavailableError)
    expect(attempt).toThrow(String(process.pid))
  })
  it('of another machine, or unreadable, is taken over once it is a minute old', () => {
    for (const text of [JSON.stringify({ pid: 1, host: 'elsewhere', started: '' }), '']) {
      const file = join(tempDir(), 'x.lock')
      writeFileSync(file, text)
      expect(() => withLock(file, () => 'done', { waitMs: 10 })).toThrow(UnavailableError)
      utimesSync(file, 0, 0)
      expect(withLock(file, () => 'done')).toBe('done')
    }
  })
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
        const args = ['--import', 'tsx', '--input-type=module', '-e', script]
        spawn(process.execPath, args, { stdio: 'inherit' }).on('exit', done)
      })
    expect(await Promise.all([run(), run(), run()])).toEqual([0, 0, 0])
    expect(readFileSync(counter, 'utf8')).toBe('300')
  })
  it('knows the living from the dead', () => {
    expect(isAlive(thisProcess())).toBe(true)
    expect(isAlive({ pid: gone(), host: hostname(), started: '' })).toBe(false)
    expect(isAlive({ pid: 1, host: 'elsewhere', started: '' })).toBe(true)
  })
})
