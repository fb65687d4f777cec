import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { appendLines, isTorn, mendTail, undoAppend } from '../../src/disk/append.js'
import { tempDir } from '../support/temp-dir.js'

describe('appending', () => {
  it('makes the file and its folders, and adds at the end', () => {
    const file = join(tempDir(), 'a/b')
    appendLines(file, 'one\n')
    appendLines(file, 'zwei ü\n')
    expect(readFileSync(file, 'utf8')).toBe('one\nzwei ü\n')
  })
  it('makes a new file with its lines in it by way of another folder', () => {
    const dir = tempDir()
    for (const line of ['one\n', 'two\n']) appendLines(join(dir, 'keys/k'), line, dir)
    expect(readFileSync(join(dir, 'keys/k'), 'utf8')).toBe('one\ntwo\n')
    expect(readdirSync(dir)).toEqual(['keys'])
  })
  it('is undone as long as nobody wrote behind it', () => {
    const file = join(tempDir(), 'k')
    for (const line of ['one\n', 'zwei ü\n']) appendLines(file, line)
    undoAppend(file, 'zwei ü\n')
    expect(readFileSync(file, 'utf8')).toBe('one\n')
    undoAppend(file, 'two\n')
    undoAppend(file, 'longer than the file\n')
    expect(readFileSync(file, 'utf8')).toBe('one\n')
    undoAppend(file, 'one\n')
    expect(existsSync(file)).toBe(false)
    undoAppend(file, 'one\n')
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

describe('a disk that takes only a part of a write', () => {
  it.skipIf(process.platform === 'win32')('keeps whole lines alone, and the error says which file', async () => {
    const file = join(tempDir(), 'm')
    const script = `
      import { appendLines } from ${JSON.stringify(resolve('src/disk/append.ts'))}
      try {
        for (;;) appendLines(${JSON.stringify(file)}, '1718000000000 0.123456789 12345\\n'.repeat(100))
      } catch (error) {
        console.log(error.name + ' ' + error.message)
      }`
    const command = 'ulimit -f 16; exec "$0" --import tsx --input-type=module -e "$1"'
    const { stdout } = spawnSync('bash', ['-c', command, process.execPath, script], {
      encoding: 'utf8',
      env: { ...process.env, TSX_DISABLE_CACHE: '1' },
    })
    expect(stdout).toContain(`Cannot append to ${file}`)
    const text = readFileSync(file, 'utf8')
    expect(text.length).toBeGreaterThan(3000)
    expect(new Set(text.split('\n'))).toEqual(new Set(['1718000000000 0.123456789 12345', '']))
  })
})

describe('a torn tail', () => {
  it.each([
    ['', false, ''],
    ['a\n', false, 'a\n'],
    ['a\nb', true, 'a\n'],
    ['torn', true, undefined],
    [`a\n${'x'.repeat(10_000)}`, true, 'a\n'],
    [`${'y'.repeat(5000)}\n${'x'.repeat(4095)}`, true, `${'y'.repeat(5000)}\n`],
  ])('of %j is seen (%s) and cut', (text, torn, mended) => {
    const file = join(tempDir(), 'm')
    writeFileSync(file, text)
    expect(isTorn(file)).toBe(torn)
    expect(mendTail(file)).toBe(torn)
    expect(existsSync(file) ? readFileSync(file, 'utf8') : undefined).toBe(mended)
  })
  it('is not there where no file is', () => {
    expect(isTorn(join(tempDir(), 'none/x'))).toBe(false)
    expect(mendTail(join(tempDir(), 'none'))).toBe(false)
  })
})
