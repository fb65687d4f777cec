import { buffer } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { eachLimited } from '../../src/artifacts/limited.js'
import type { ArtifactStore } from '../../src/artifacts/store.js'
import { NotFoundError, UnsafePathError } from '../../src/errors.js'

/** What a store cannot do: the name of a test of this suite, and why. */
export type Exceptions = Readonly<Record<string, string>>

const bytes = (...values: number[]): Blob => new Blob([Uint8Array.from(values)])

/** All bytes of one file of a store. */
export const bytesOf = async (store: ArtifactStore, path: string): Promise<Buffer> =>
  buffer((await store.read(path)) as unknown as AsyncIterable<Uint8Array>)

/** The text of one file of a store. */
export const textOf = async (store: ArtifactStore, path: string): Promise<string> =>
  (await bytesOf(store, path)).toString('utf8')

/** What every artifact store has to do; `open` answers a store that is empty. */
export function artifactStoreContract(open: () => Promise<ArtifactStore>, exceptions: Exceptions = {}): void {
  const fact = (name: string, test: (store: ArtifactStore) => Promise<void>): void => {
    it.skipIf(name in exceptions)(name, async () => test(await open()))
  }

  describe('artifact store contract', () => {
    fact('an empty store lists nothing', async (store) => {
      expect(await store.list('')).toEqual([])
    })

    fact('what was written is read back, byte for byte', async (store) => {
      await store.write('a/b/data.bin', bytes(0, 255, 10, 13, 128))
      expect([...(await bytesOf(store, 'a/b/data.bin'))]).toEqual([0, 255, 10, 13, 128])
    })

    fact('an empty file is a file of no bytes', async (store) => {
      await store.write('empty.txt', new Blob([]))
      expect(await store.list('')).toEqual([{ path: 'empty.txt', isDir: false, size: 0 }])
      expect(await textOf(store, 'empty.txt')).toBe('')
    })

    fact('writing again replaces what was there', async (store) => {
      await store.write('x.txt', new Blob(['a longer first text']))
      await store.write('x.txt', new Blob(['second']))
      expect(await textOf(store, 'x.txt')).toBe('second')
      expect(await store.list('')).toEqual([{ path: 'x.txt', isDir: false, size: 6 }])
    })

    fact('a listing has only what lies directly below, with paths from the root', async (store) => {
      await store.write('top.txt', new Blob(['1']))
      await store.write('dir/one.txt', new Blob(['22']))
      await store.write('dir/deep/two.txt', new Blob(['333']))
      const byPath = (a: { path: string }, b: { path: string }) => (a.path < b.path ? -1 : 1)
      expect([...(await store.list(''))].sort(byPath)).toMatchObject([
        { path: 'dir', isDir: true },
        { path: 'top.txt', isDir: false, size: 1 },
      ])
      expect([...(await store.list('dir'))].sort(byPath)).toMatchObject([
        { path: 'dir/deep', isDir: true },
        { path: 'dir/one.txt', isDir: false, size: 2 },
      ])
    })

    fact('a file and an absent path list nothing', async (store) => {
      await store.write('file.txt', new Blob(['x']))
      expect(await store.list('file.txt')).toEqual([])
      expect(await store.list('nowhere/at/all')).toEqual([])
    })

    fact('a directory is not listed because another begins with its name', async (store) => {
      await store.write('ab/x.txt', new Blob(['x']))
      expect(await store.list('a')).toEqual([])
    })

    fact('reading what is not there is a NotFoundError', async (store) => {
      await expect(store.read('absent.txt')).rejects.toBeInstanceOf(NotFoundError)
    })

    fact('names keep their spaces, percent signs and letters of any script', async (store) => {
      for (const name of ['a b.txt', '100%.txt', 'q?x=1&y.txt', '日本.txt', 'é+ß;v=1.txt', "it's (1)[2].txt"]) {
        await store.write(`names/${name}`, new Blob([name]))
        expect(await textOf(store, `names/${name}`)).toBe(name)
      }
      expect((await store.list('names')).map(({ path }) => path)).toContain('names/100%.txt')
    })

    fact('paths that lead out are refused by every verb', async (store) => {
      for (const path of ['../x', 'a/../../x', '/etc/passwd', 'a\\..\\x', '%2e%2e/x', 'C:/x', 'a#b', 'a\0b']) {
        await expect(async () => store.list(path), path).rejects.toBeInstanceOf(UnsafePathError)
        await expect(async () => store.read(path), path).rejects.toBeInstanceOf(UnsafePathError)
        await expect(async () => store.write(path, new Blob(['x'])), path).rejects.toBeInstanceOf(UnsafePathError)
        await expect(async () => store.remove(path), path).rejects.toBeInstanceOf(UnsafePathError)
      }
    })

    fact('a file is removed, and a directory with all below it; absent is success', async (store) => {
      await store.write('dir/one.txt', new Blob(['1']))
      await store.write('dir/deep/two.txt', new Blob(['2']))
      await store.write('keep.txt', new Blob(['3']))
      await store.remove('dir/one.txt')
      await expect(store.read('dir/one.txt')).rejects.toBeInstanceOf(NotFoundError)
      await store.remove('dir')
      await store.remove('never-there')
      expect(await store.list('')).toMatchObject([{ path: 'keep.txt' }])
    })

    fact('many files at once all arrive', async (store) => {
      const names = Array.from({ length: 40 }, (_, i) => `many/file-${i}.txt`)
      await eachLimited(names, 16, async (name) => store.write(name, new Blob([name])))
      expect((await store.list('many')).length).toBe(40)
      expect(await textOf(store, 'many/file-39.txt')).toBe('many/file-39.txt')
    })

    fact('a megabyte arrives whole', async (store) => {
      const data = new Uint8Array(1 << 20).map((_, i) => i % 251)
      await store.write('big.bin', new Blob([data]))
      const back = await bytesOf(store, 'big.bin')
      expect(Buffer.compare(back, data)).toBe(0)
    })

    fact('an aborted write rejects with the reason of the signal and leaves no file', async (store) => {
      const reason = new Error('enough')
      await expect(store.write('late.txt', new Blob(['x']), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
      expect(await store.list('')).toEqual([])
    })

    fact(
      'an aborted listing, reading or removal rejects with the reason of the signal, and removes nothing',
      async (store) => {
        await store.write('a.txt', new Blob(['x']))
        const reason = new Error('enough')
        const options = { signal: AbortSignal.abort(reason) }
        await expect(store.list('', options)).rejects.toBe(reason)
        await expect(store.read('a.txt', options)).rejects.toBe(reason)
        await expect(store.remove('a.txt', options)).rejects.toBe(reason)
        expect(await textOf(store, 'a.txt')).toBe('x')
      },
    )
  })
}
