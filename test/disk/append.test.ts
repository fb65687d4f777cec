import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { appendLines, isTorn, mendTail } from '../../src/disk/append.js'
import { tempDir } from '../support/temp-dir.js'

describe('appending', () => {
  it('makes the file and its folders, and adds at the end', () => {
    const file = join(tempDir(), 'a/b')
    appendLines(file, 'one\n')
    appendLines(file, 'zwei ü\n')
    expect(readFileSync(file, 'utf8')).toBe('one\nzwei ü\n')
  })
  it('follows no link', () => {
    const dir = tempDir()
    writeFileSync(join(dir, 'target'), '')
    symlinkSync(join(dir, 'target'), join(dir, 'link'))
    expect(() => appendLines(join(dir, 'link'), 'x\n')).toThrow(join(dir, 'link'))
    expect(readFileSync(join(dir, 'target'), 'utf8')).toBe('')
  })
  it('says what it cannot append to', () => {
    const dir = tempDir()
    mkdirSync(join(dir, 'd'))
    expect(() => appendLines(join(dir, 'd'), 'x\n')).toThrow(/append to .*d/)
  })
})

describe('a torn tail', () => {
  it.each([
    ['', false, ''],
    ['a\n', false, 'a\n'],
    ['a\nb', true, 'a\n'],
    ['torn', true, ''],
    [`a\n${'x'.repeat(10_000)}`, true, 'a\n'],
    [`${'y'.repeat(5000)}\n${'x'.repeat(4095)}`, true, `${'y'.repeat(5000)}\n`],
  ])('of %j is seen (%s) and cut', (text, torn, mended) => {
    const file = join(tempDir(), 'm')
    writeFileSync(file, text)
    expect(isTorn(file)).toBe(torn)
    expect(mendTail(file)).toBe(torn)
    expect(readFileSync(file, 'utf8')).toBe(mended)
  })
  it('is not there where no file is', () => {
    expect(isTorn(join(tempDir(), 'none/x'))).toBe(false)
    expect(mendTail(join(tempDir(), 'none'))).toBe(false)
  })
})
