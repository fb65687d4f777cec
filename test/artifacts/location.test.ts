import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkSource, isLocal, localPath, schemeOf } from '../../src/artifacts/location.js'
import { artifactOpener } from '../../src/artifacts/open.js'
import type { ArtifactStore } from '../../src/artifacts/store.js'
import { InvalidParameterError, UnsafePathError } from '../../src/errors.js'

describe('places of artifacts', () => {
  it.each([
    ['/abs/x', 'file'],
    ['rel/x', 'file'],
    ['./x', 'file'],
    ['C:\\x', 'file'],
    ['c:/x', 'file'],
    ['\\\\host\\share', 'file'],
    ['file:///x', 'file'],
    ['FILE:///x', 'file'],
    ['s3://b/x', 's3'],
    ['S3://b/x', 's3'],
    ['mlflow-artifacts:/1/2', 'mlflow-artifacts'],
    ['dbfs:/x', 'dbfs'],
  ])('%s has the scheme %s', (uri, scheme) => {
    expect(schemeOf(uri)).toBe(scheme)
    expect(isLocal(uri)).toBe(scheme === 'file')
  })

  it.each([
    ['/abs/x y', '/abs/x y'],
    ['rel', resolve('rel')],
    ['file:///abs/x%20y', '/abs/x y'],
    ['file:/abs/x', '/abs/x'],
    ['file://localhost/abs', '/abs'],
    ['file:rel/x', resolve('rel/x')],
    ['FILE:///abs', '/abs'],
    ['../up', resolve('../up')],
    ['/a/b#c', '/a/b#c'],
  ])('%s means %s', (uri, path) => {
    expect(localPath(uri, 'linux')).toBe(path)
  })

  it.each([
    'file://remote/etc',
    'file://a#/..//tmp',
    'file:///a?b',
    'file:///a#b',
    'file:///a/../b',
    'file:///a/%2e%2E/b',
    'file:///a%zz',
    'file:',
    'C:\\x',
    '//host/share',
    '\\\\host\\share',
    '/a\0b',
    's3://b/x',
    '',
  ])('%j is not taken for a place here', (uri) => {
    expect(() => localPath(uri, 'linux')).toThrow(InvalidParameterError)
  })

  it.each([
    'file:///etc',
    'FILE:///etc',
    '/etc',
    'etc',
    'C:\\x',
    'c:/x',
    '\\\\host\\share',
    'http:///#/../../etc',
    'mlflow-artifacts://h/..%2f..',
    's3:/b/../x',
    'http://h/a%00',
    'dbfs:/r/a%3f/../../..',
    'dbfs:/x?/../../etc/passwd',
    's3://b/%252e%252e/x',
    's3://b/..;a/x',
    'mlflow-artifacts:/1/..\\..',
  ])('the source %s of a remote server is refused', (uri) => {
    expect(() => checkSource(uri, false)).toThrow(UnsafePathError)
  })

  it('ordinary sources are taken, local ones when allowed', () => {
    for (const uri of ['s3://bucket/a b/c', 'mlflow-artifacts:/1/models/m-1/artifacts', 'https://host/a%20b'])
      expect(checkSource(uri, false)).toBe(uri)
    expect(checkSource('/data/models', true)).toBe('/data/models')
    expect(() => checkSource('file://host/x', true)).toThrow(InvalidParameterError)
  })

  it('stores are opened by scheme, and an unknown one names those that are known', () => {
    const opened: string[] = []
    const store = (name: string) => (uri: string) => {
      opened.push(`${name} ${uri}`)
      return {} as ArtifactStore
    }
    const open = artifactOpener({ file: store('file'), s3: store('s3') })
    open('x/y')
    open('S3://b/x')
    open('C:\\x')
    expect(opened).toEqual(['file x/y', 's3 S3://b/x', 'file C:\\x'])
    expect(() => open('gs://b/x')).toThrow(/gs:.*known are file, s3/)
    expect(() => open('constructor://x')).toThrow(InvalidParameterError)
  })
})
