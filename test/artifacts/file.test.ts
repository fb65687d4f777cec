import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { fileArtifacts } from '../../src/artifacts/file.js'
import { InvalidParameterError, UnsafePathError } from '../../src/errors.js'
import { artifactStoreContract, textOf } from '../contract/artifact-store.js'
import { tempDir } from '../support/temp-dir.js'

artifactStoreContract(async () => fileArtifacts(join(tempDir(), 'artifacts')))

describe('file artifacts', () => {
  it('a file: URI with escapes means the same place as the path', async () => {
    const dir = join(tempDir(), 'with space #1')
    await fileArtifacts(pathToFileURL(dir).href).write('x.txt', new Blob(['hi']))
    expect(readFileSync(join(dir, 'x.txt'), 'utf8')).toBe('hi')
  })

  it('links out of the root are neither listed, read, written nor removed', async () => {
    const dir = tempDir()
    const root = join(dir, 'root')
    mkdirSync(root)
    writeFileSync(join(dir, 'secret.txt'), 'secret')
    mkdirSync(join(dir, 'outside'))
    symlinkSync(join(dir, 'secret.txt'), join(root, 'leak.txt'))
    symlinkSync(join(dir, 'outside'), join(root, 'leak'))
    symlinkSync(join(dir, 'absent.txt'), join(root, 'dangling'))
    const store = fileArtifacts(root)
    expect(await store.list('')).toEqual([])
    await expect(store.list('leak')).rejects.toBeInstanceOf(UnsafePathError)
    await expect(store.read('leak.txt')).rejects.toBeInstanceOf(UnsafePathError)
    for (const path of ['leak.txt', 'leak/x.txt', 'leak/deep/x.txt', 'dangling'])
      await expect(store.write(path, new Blob(['x'])), path).rejects.toBeInstanceOf(UnsafePathError)
    await expect(store.remove('leak/x.txt')).rejects.toBeInstanceOf(UnsafePathError)
    expect(readFileSync(join(dir, 'secret.txt'), 'utf8')).toBe('secret')
    expect(readdirSync(join(dir, 'outside'))).toEqual([])
    expect(existsSync(join(dir, 'absent.txt'))).toBe(false)
  })

  it('links within the root are followed', async () => {
    const root = tempDir()
    writeFileSync(join(root, 'real.txt'), 'real')
    symlinkSync('real.txt', join(root, 'link.txt'))
    const store = fileArtifacts(root)
    expect(await textOf(store, 'link.txt')).toBe('real')
    expect((await store.list('')).map(({ path }) => path).sort()).toEqual(['link.txt', 'real.txt'])
  })

  it('unfinished files are not listed, and a failed write leaves none', async () => {
    const root = tempDir()
    writeFileSync(join(root, '.cairn-00000000-0000-4000-8000-000000000000.partial'), 'torn')
    const store = fileArtifacts(root)
    expect(await store.list('')).toEqual([])
    const torn = { size: 10, stream: () => new Blob(['short']).stream() } as unknown as Blob
    await expect(store.write('x.txt', torn)).rejects.toThrow(/10 bytes/)
    expect(readdirSync(root)).toHaveLength(1)
  })

  it('a directory is not read or overwritten as a file', async () => {
    const root = tempDir()
    mkdirSync(join(root, 'dir'))
    const store = fileArtifacts(root)
    await expect(store.read('dir')).rejects.toBeInstanceOf(InvalidParameterError)
    await expect(store.write('dir', new Blob(['x']))).rejects.toBeInstanceOf(InvalidParameterError)
  })
})
