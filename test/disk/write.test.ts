import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { errno } from '../../src/disk/errno.js'
import { makeDirs } from '../../src/disk/files.js'
import { writeInside } from '../../src/disk/inside.js'
import { createDir, stageDir, sweepStaging } from '../../src/disk/stage-dir.js'
import { isInside, isRealDir, listDirs, listEntries, walkFiles } from '../../src/disk/walk.js'
import { createOnce, exists, move, readText, removeFile, stateOf, writeAtomic } from '../../src/disk/write.js'
import { NotFoundError, PermissionDeniedError } from '../../src/errors.js'
import { tempDir } from '../support/temp-dir.js'

const nobody = <T>(work: () => T): T => {
  if (process.getuid?.() !== 0) return work()
  process.seteuid?.(65534)
  try {
    return work()
  } finally {
    process.seteuid?.(0)
  }
}

describe('writing', () => {
  it('replaces a file whole, makes missing folders, and leaves nothing else behind', () => {
    const dir = tempDir()
    const file = join(dir, 'a/b/c')
    writeAtomic(file, 'one', { temp: dir })
    writeAtomic(file, 'two', { temp: join(dir, 'temp') })
    expect(readText(file)).toBe('two')
    expect(walkFiles(dir)).toEqual(['a/b/c'])
  })
  it('keeps the content of a file that shares its inode with another', () => {
    const dir = tempDir()
    writeFileSync(join(dir, 'a'), 'old')
    linkSync(join(dir, 'a'), join(dir, 'other'))
    writeAtomic(join(dir, 'a'), 'new')
    expect(readText(join(dir, 'other'))).toBe('old')
  })
  it('creates a file once', () => {
    const dir = tempDir()
    expect(createOnce(join(dir, 'k/x'), '1', { temp: dir })).toBe(true)
    expect(createOnce(join(dir, 'k/x'), '2', { temp: dir })).toBe(false)
    expect(readText(join(dir, 'k/x'))).toBe('1')
    expect(readdirSync(dir)).toEqual(['k'])
  })
  it.skipIf(process.platform !== 'linux')(
    'a place that takes no folders is an error, and no wait without end',
    async () => {
      for (const make of [() => makeDirs('/proc/x/y'), () => writeInside('/proc/x', 'y/z.txt', '')])
        await expect(make()).rejects.toThrow(/No folder can be made in \/proc/)
      expect(() => writeAtomic('/proc/x/y', '')).toThrow(/No folder can be made in \/proc/)
    },
  )
  it('makes folders by the mode that is asked for, and a file in their place is an error', async () => {
    const dir = tempDir()
    await makeDirs(join(dir, 'a/b'), 0o700)
    await makeDirs(join(dir, 'a/b'))
    expect([join(dir, 'a'), join(dir, 'a/b')].map((made) => statSync(made).mode & 0o777)).toEqual([0o700, 0o700])
    writeFileSync(join(dir, 'file'), '')
    await expect(makeDirs(join(dir, 'file'))).rejects.toThrow(/no folder but a link or file/)
    await expect(makeDirs(join(dir, 'file/x'))).rejects.toThrow(/no folder but a link or file/)
  })
  it('names the path that the file system refuses', () => {
    const dir = tempDir()
    chmodSync(dir, 0o555)
    const file = join(dir, 'x')
    for (const write of [() => writeAtomic(file, ''), () => createOnce(file, '')]) {
      expect(() => nobody(write)).toThrow(PermissionDeniedError)
      expect(() => nobody(write)).toThrow(file)
    }
    chmodSync(dir, 0o755)
  })
  it('keeps the errno of the cause', () => {
    const dir = tempDir()
    writeFileSync(join(dir, 'file'), '')
    try {
      writeAtomic(join(dir, 'file/x'), '', { temp: dir })
      expect.unreachable()
    } catch (error) {
      expect(errno(error)).toMatch(/ENOTDIR|EEXIST/)
    }
  })
  it('finds nothing where nothing is', () => {
    const dir = tempDir()
    expect(readText(join(dir, 'none/x'))).toBeUndefined()
    expect(removeFile(join(dir, 'none'))).toBe(false)
    expect(exists(join(dir, 'none'))).toBe(false)
    expect(() => move(join(dir, 'none'), join(dir, 'to'))).toThrow(NotFoundError)
  })
  it('tells by its state that a file was written', () => {
    const file = join(tempDir(), 'f')
    writeFileSync(file, 'a')
    const before = stateOf(file)
    writeAtomic(file, 'b')
    expect(stateOf(file)?.inode).not.toBe(before?.inode)
  })
})

describe('staging', () => {
  it('shows a folder whole or not at all', () => {
    const root = tempDir()
    expect(createDir(root, join(root, 'v/1'), (dir) => writeFileSync(join(dir, 'meta.yaml'), 'a'))).toBe(true)
    expect(() =>
      createDir(root, join(root, 'v/2'), () => {
        throw new Error('no')
      }),
    ).toThrow('no')
    expect(readdirSync(join(root, 'v'))).toEqual(['1'])
    expect(readdirSync(join(root, '.cairn.trash'))).toEqual([])
  })
  it('leaves what stands at the target, also an empty folder, and removes its own', () => {
    const root = tempDir()
    for (const [name, file] of [
      ['empty', undefined],
      ['full', 'x'],
    ] as const) {
      mkdirSync(join(root, name))
      if (file) writeFileSync(join(root, name, file), 'theirs')
      const staged = stageDir(root)
      writeFileSync(join(staged.dir, 'x'), 'ours')
      expect(staged.place(join(root, name))).toBe(false)
      expect(exists(staged.dir)).toBe(false)
    }
    expect(readdirSync(join(root, 'empty'))).toEqual([])
    expect(readFileSync(join(root, 'full/x'), 'utf8')).toBe('theirs')
  })
})

describe('sweeping', () => {
  it('removes leftovers of killed processes once they are a day old, and locks never', () => {
    const root = tempDir()
    const staging = join(root, '.cairn.trash')
    for (const name of ['.cairn-old-1', '.cairn-new-1', 'locks']) mkdirSync(join(staging, name), { recursive: true })
    for (const name of ['.cairn-old-1', 'locks']) utimesSync(join(staging, name), 1, 1)
    sweepStaging(root)
    expect(readdirSync(staging).sort()).toEqual(['.cairn-new-1', 'locks'])
    sweepStaging(join(root, 'none'))
  })
})

describe('walking', () => {
  it('lists files below a folder and follows no link', () => {
    const dir = tempDir()
    const outside = tempDir()
    writeFileSync(join(outside, 'secret'), '')
    mkdirSync(join(dir, 'a/b'), { recursive: true })
    writeFileSync(join(dir, 'a/b/c'), '')
    writeFileSync(join(dir, 'd'), '')
    symlinkSync(outside, join(dir, 'link'))
    symlinkSync(join(outside, 'secret'), join(dir, 'a/secret'))
    expect(walkFiles(dir).sort()).toEqual(['a/b/c', 'd'])
    expect(listDirs(dir)).toEqual(['a'])
    expect(listDirs(dir, { links: true }).sort()).toEqual(['a', 'link'])
    expect(listEntries(dir).map(({ name, kind }) => `${name} ${kind}`)).toEqual(['a dir', 'd file', 'link link'])
    expect(walkFiles(join(dir, 'none'))).toEqual([])
  })
  it('tells what lies inside once links are followed', () => {
    const dir = tempDir()
    const outside = tempDir()
    mkdirSync(join(dir, 'in'))
    symlinkSync(outside, join(dir, 'out'))
    symlinkSync(join(dir, 'in'), join(dir, 'back'))
    expect(isInside(dir, dir)).toBe(true)
    expect(isInside(dir, join(dir, 'in'))).toBe(true)
    expect(isInside(dir, join(dir, 'back'))).toBe(true)
    expect(isInside(dir, join(dir, 'out'))).toBe(false)
    expect(isInside(dir, `${dir}x`)).toBe(false)
    expect(isRealDir(join(dir, 'in'))).toBe(true)
    expect(isRealDir(join(dir, 'back'))).toBe(false)
  })
})
