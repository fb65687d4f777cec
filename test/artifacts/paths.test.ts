import { describe, expect, it } from 'vitest'
import { checkArtifactPath, checkLocalPath } from '../../src/artifacts/paths.js'
import { UnsafePathError } from '../../src/errors.js'

const hostile: readonly [path: string, reason: RegExp][] = [
  ['/path', /absolute/],
  ['../path', /leads out/],
  ['./../path', /"\."/],
  ['path/../../to', /leads out/],
  ['file:///etc/passwd', /file: URI/],
  ['/etc/passwd%00.jpg', /absolute/],
  ['etc/passwd%00.jpg', /U\+0000/],
  ['%2E%2E%2Fpath', /decoded.*leads out/],
  ['%2%0952e%2%0952e/x', /U\+0009/],
  ['..%252f..%252fetc', /leads out/],
  ['%252e%252e/x', /leads out/],
  ['.%2e/x', /leads out/],
  ['..;/x', /leads out/],
  ['a;/../../etc', /leads out/],
  ['..\\x', /backslash/],
  ['C:x', /drive/],
  ['C:\\x', /backslash/],
  ['\\\\?\\C:\\x', /backslash/],
  ['\\\\host\\s', /backslash/],
  ['a/\0b', /U\+0000/],
  ['/file:c:/x', /absolute/],
  ['//evil.com/x', /absolute/],
  ['a#b', /"#"/],
  ['a%23b', /"#"/],
  ['a//b', /empty segment/],
  ['a/./b', /"\." segment/],
  ['.', /"\." segment/],
  ['..', /leads out/],
  ['a\nb', /U\+000A/],
  [`a/${'x'.repeat(256)}`, /255 bytes/],
  ['x'.repeat(5000), /4096/],
  [`${'%25'.repeat(1)}${'25'.repeat(20)}2e`, /percent-encoded more/],
]

describe('artifact paths', () => {
  it.each(hostile)('%j is refused with its reason', (path, reason) => {
    expect(() => checkArtifactPath(path)).toThrow(UnsafePathError)
    expect(() => checkArtifactPath(path)).toThrow(reason)
  })

  it.each([
    '',
    'a',
    'a/b.txt',
    '日本/é.txt',
    '100%.txt',
    '50%25.txt',
    'a b',
    'CON',
    'nul.txt',
    'a.',
    '..x',
    'x..',
    'a?b',
    '...',
    'model-12:30.txt',
    'x;v=1',
  ])('%j is taken as it is', (path) => {
    expect(checkArtifactPath(path)).toBe(path)
  })

  it('a trailing slash is dropped', () => {
    expect(checkArtifactPath('a/b/')).toBe('a/b')
  })

  it.each(['CON', 'a/nul.txt', 'a.', 'a ', 'x?y', 'com1.log'])('%j is no file name on Windows', (path) => {
    expect(() => checkLocalPath(path, 'win32')).toThrow(UnsafePathError)
    expect(checkLocalPath(path, 'linux')).toBe(path)
  })
})
