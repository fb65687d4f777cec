import { expect, it } from 'vitest'
import { checkRelativePath } from '../../src/core/relative-path.js'
import { InvalidParameterError, UnsafePathError } from '../../src/errors.js'

it.each([
  'a',
  'a/b.txt',
  '100%.txt',
  '50%25.txt',
  '日本',
  'ab:c',
  'onnx::MatMul_1',
  '...',
  'a..b',
  '.hidden',
  'a ',
  'model-12:30.txt',
  'x;v=1',
  'CON',
])('%j is a path inside', (path) => {
  expect(checkRelativePath(path, 'The path')).toBe(path)
})

it.each([
  '',
  '/path',
  '../path',
  './../path',
  'path/../../to',
  'path/..',
  '.',
  'file://a#/..//tmp',
  'file://a%23/..//tmp/',
  '/etc/passwd%00.jpg',
  '%2E%2E%2Fpath',
  '%2%0952e%2%0952e/x',
  '..%252f..%252fetc',
  '%25252e%25252e/x',
  '.%2e/x',
  '..;/x',
  '..\\x',
  'C:x',
  'C:\\x',
  '\\\\?\\C:\\x',
  '\\\\host\\s',
  'a/\0b',
  'file:c:/x',
  '//evil.com/x',
  'http://x',
  'http:/x',
  'a/.;v',
  'a/ ../b',
  'a#b',
  'a%23b',
  'a//b',
  'a/\ud800x',
  'a/',
  `${'a/'.repeat(3000)}b`,
])('%j is refused', (path) => {
  expect(() => checkRelativePath(path, 'The path')).toThrow(UnsafePathError)
})

it.each<[string, unknown]>([
  ['null', null],
  ['a number', 5],
  ['an object', {}],
])('%s is no path', (said, path) => {
  const check = () => checkRelativePath(path as string, 'The path')
  expect(check).toThrow(InvalidParameterError)
  expect(check).toThrow(`The path must be a relative path, not ${said}`)
})
