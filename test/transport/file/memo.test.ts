import { mkdirSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { memo } from '../../../src/transport/file/memo.js'
import { tempDir } from '../../support/temp-dir.js'

const SETTLED_MS = 150

function counting() {
  const known = memo()
  let parsed = 0
  const read = (file: string) =>
    known.read(file, (text) => {
      parsed++
      return text
    })
  return { read, parsed: () => parsed }
}

describe('what small files said', () => {
  it('is read once, as long as nobody changes them', async () => {
    const file = join(tempDir(), 'a')
    writeFileSync(file, 'one')
    await wait(SETTLED_MS)
    const { read, parsed } = counting()
    expect([read(file), read(file), read(file)]).toEqual(['one', 'one', 'one'])
    expect(parsed()).toBe(1)
  })
  it('is read anew when a program wrote the same size and set the time back', async () => {
    const file = join(tempDir(), 'a')
    writeFileSync(file, 'one')
    await wait(SETTLED_MS)
    const { read } = counting()
    read(file)
    const { atime, mtime } = statSync(file)
    writeFileSync(file, 'two')
    utimesSync(file, atime, mtime)
    expect(read(file)).toBe('two')
  })
  it('is read anew when another file took the place', async () => {
    const dir = tempDir()
    const file = join(dir, 'a')
    writeFileSync(file, 'one')
    writeFileSync(join(dir, 'b'), 'two')
    await wait(SETTLED_MS)
    const { read } = counting()
    read(file)
    renameSync(join(dir, 'b'), file)
    expect(read(file)).toBe('two')
  })
  it('is not kept of files younger than a clock may tell', () => {
    const file = join(tempDir(), 'a')
    const { read } = counting()
    for (const text of ['one', 'two', 'six']) {
      writeFileSync(file, text)
      expect(read(file)).toBe(text)
    }
  })
  it('is nothing of what is not there, a folder, or gone', async () => {
    const dir = tempDir()
    const { read } = counting()
    mkdirSync(join(dir, 'd'))
    writeFileSync(join(dir, 'a'), 'one')
    await wait(SETTLED_MS)
    expect([read(join(dir, 'none')), read(join(dir, 'd')), read(join(dir, 'a', 'b'))]).toEqual(Array(3).fill(undefined))
    expect(read(join(dir, 'a'))).toBe('one')
    renameSync(join(dir, 'a'), join(dir, 'b'))
    expect(read(join(dir, 'a'))).toBeUndefined()
  })
  it('holds what folders hold, until something is made, renamed or removed in one of them', async () => {
    const dir = tempDir()
    const known = memo()
    const look = () => [known.files(dir), [...known.dirs(dir)].sort()]
    mkdirSync(join(dir, 'b/c'), { recursive: true })
    for (const file of ['a', 'b/x', 'b/c/y']) writeFileSync(join(dir, file), '')
    symlinkSync(join(dir, 'a'), join(dir, 'link'))
    symlinkSync(join(dir, 'b'), join(dir, 'folder'))
    for (const change of [
      () => {},
      () => {},
      () => writeFileSync(join(dir, 'b/c/z'), ''),
      () => renameSync(join(dir, 'b/x'), join(dir, 'b/w')),
      () => renameSync(join(dir, 'b/c'), join(dir, 'c')),
      () => rmSync(join(dir, 'a')),
      () => mkdirSync(join(dir, 'a')),
      () => rmSync(join(dir, 'b'), { recursive: true }),
    ]) {
      await wait(SETTLED_MS)
      look()
      change()
      const fresh = memo()
      expect(look()).toEqual([fresh.files(dir), [...fresh.dirs(dir)].sort()])
    }
    expect(look()).toEqual([
      ['c/y', 'c/z'],
      ['a', 'c'],
    ])
    expect([known.files(join(dir, 'none')), known.dirs(join(dir, 'c/y'))]).toEqual([[], []])
  })
  it('is whole, however long', () => {
    const file = join(tempDir(), 'a')
    for (const length of [0, 65_535, 65_536, 65_537, 300_000]) {
      writeFileSync(file, 'ä'.repeat(length))
      expect(counting().read(file)).toHaveLength(length)
    }
  })
})
