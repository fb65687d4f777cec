import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { download } from '../../src/artifacts/download.js'
import { fileArtifacts } from '../../src/artifacts/file.js'
import { proxied } from '../../src/artifacts/proxied.js'
import type { ArtifactFile, ArtifactStore } from '../../src/artifacts/store.js'
import { upload } from '../../src/artifacts/upload.js'
import {
  IntegrityError,
  InvalidParameterError,
  NetworkError,
  NotFoundError,
  PermissionDeniedError,
  UnavailableError,
  UnsafePathError,
} from '../../src/errors.js'
import { sender } from '../../src/http/send.js'
import { answering, asJson, rejection } from '../support/answering.js'
import { fakeClock } from '../support/fake-clock.js'
import { mayMount, mount, unmount } from '../support/small-disk.js'
import { tempDir } from '../support/temp-dir.js'

function sampleDir(): string {
  const dir = tempDir()
  mkdirSync(join(dir, 'sub', 'deep'), { recursive: true })
  writeFileSync(join(dir, 'MLmodel'), 'flavors: {}')
  writeFileSync(join(dir, 'a.txt'), 'aaa')
  writeFileSync(join(dir, 'sub', 'empty'), '')
  writeFileSync(join(dir, 'sub', 'deep', 'b.txt'), 'bbbb')
  return dir
}

/** A store whose listing and bytes are what the test says. */
const fake = (listing: Record<string, ArtifactFile[]>, bytes = 'x'): ArtifactStore => ({
  list: async (path) => listing[path] ?? [],
  read: async () => new Blob([bytes]).stream() as ReadableStream<Uint8Array>,
  write: async () => {},
  remove: async () => {},
})

describe('upload', () => {
  it('carries a directory, writes the last file last, and tells its progress', async () => {
    const root = tempDir()
    const order: string[] = []
    const inner = fileArtifacts(root)
    const store: ArtifactStore = {
      ...inner,
      write: (path, data, options) => {
        order.push(path)
        return inner.write(path, data, options)
      },
    }
    const seen: number[] = []
    const onProgress = ({ loaded, total }: { loaded: number; total?: number | undefined }) => {
      expect(total).toBe(18)
      seen.push(loaded)
    }
    await upload(store, sampleDir(), 'model', { last: ['MLmodel'], onProgress })
    expect(order.at(-1)).toBe('model/MLmodel')
    expect(seen.at(-1)).toBe(18)
    expect(readFileSync(join(root, 'model/sub/deep/b.txt'), 'utf8')).toBe('bbbb')
    expect(existsSync(join(root, 'model/sub/empty'))).toBe(true)
  })

  it('tells the bytes of a large file as they go, those of a try that failed no more, and what has arrived', async () => {
    const size = 5 << 20
    const dir = tempDir()
    writeFileSync(join(dir, 'big.bin'), randomBytes(size))
    writeFileSync(join(dir, 'small.bin'), 'abc')
    let stored: Buffer | undefined
    const server = createServer((request, response) => {
      if (request.url?.endsWith('small.bin')) return response.end('{}')
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        if (stored === undefined) response.writeHead(503)
        stored = Buffer.concat(chunks)
        expect(request.headers['content-length']).toBe(String(size))
        response.end('{}')
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const send = sender({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
    const store = await proxied(send, { clock: fakeClock() })('mlflow-artifacts:/r')
    const told: (readonly [file: string | undefined, loaded: number])[] = []
    const arrived: string[] = []
    await upload(store, dir, '', {
      concurrency: 1,
      onProgress: ({ loaded, total, file }) => void told.push([file, total === size + 3 ? loaded : Number.NaN]),
      onSent: (path) => void arrived.push(path),
    })
    const big = told.filter(([file]) => file === 'big.bin').map(([, loaded]) => loaded)
    // All of it twice, in parts, and back to nothing in between.
    expect(big.length).toBeGreaterThan(10)
    expect(big.filter((loaded) => loaded % size === 0 || loaded === size + 3).length).toBeGreaterThanOrEqual(3)
    expect(Math.max(...told.map(([, loaded]) => loaded))).toBe(size + 3)
    expect(told.at(-1)?.[1]).toBe(size + 3)
    expect(arrived.sort()).toEqual(['big.bin', 'small.bin'])
    expect(stored?.equals(readFileSync(join(dir, 'big.bin')))).toBe(true)
    await send.close()
    server.close()
  })

  it.each([
    ['grows', (file: string) => appendFileSync(file, 'more')],
    ['shrinks', (file: string) => truncateSync(file, 1)],
    ['vanishes', (file: string) => rmSync(file)],
  ])('a file that %s meanwhile is an IntegrityError naming it', async (_, change) => {
    const dir = sampleDir()
    const inner = fileArtifacts(tempDir())
    const store: ArtifactStore = {
      ...inner,
      write: async (path, data, options) => {
        if (path === 'a.txt') change(join(dir, 'a.txt'))
        await inner.write(path, data, options)
      },
    }
    const failure = await upload(store, dir, '').catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(IntegrityError)
    expect(String(failure)).toMatch(/a\.txt changed/)
  })

  it('a pipe is refused before anything is sent, and never waited for', async () => {
    const dir = sampleDir()
    execFileSync('mkfifo', [join(dir, 'pipe')])
    const root = tempDir()
    await expect(upload(fileArtifacts(root), dir, '')).rejects.toThrow(/pipe, socket or device/)
    await expect(upload(fileArtifacts(root), [{ path: 'p', file: join(dir, 'pipe') }], '')).rejects.toThrow(
      InvalidParameterError,
    )
    expect(readdirSync(root)).toEqual([])
  })

  it('links are followed within the directory, refused out of it and in cycles', async () => {
    const root = tempDir()
    const dir = sampleDir()
    symlinkSync('a.txt', join(dir, 'link.txt'))
    await upload(fileArtifacts(root), dir, '')
    expect(readFileSync(join(root, 'link.txt'), 'utf8')).toBe('aaa')
    symlinkSync('..', join(dir, 'sub', 'up'))
    await expect(upload(fileArtifacts(root), dir, '')).rejects.toThrow(IntegrityError)
    rmSync(join(dir, 'sub', 'up'))
    symlinkSync('/etc/hostname', join(dir, 'out'))
    await expect(upload(fileArtifacts(root), dir, '')).rejects.toThrow(UnsafePathError)
  })

  it('names that no server takes are refused before anything is sent', async () => {
    const dir = sampleDir()
    writeFileSync(join(dir, 'x#y'), '')
    const root = tempDir()
    await expect(upload(fileArtifacts(root), dir, '')).rejects.toThrow(/"#"/)
    expect(readdirSync(root)).toEqual([])
  })

  it.each([100, 3 << 20])('what its listener throws comes out as it is, of a file of %i bytes', async (size) => {
    const dir = tempDir()
    writeFileSync(join(dir, 'w.bin'), Buffer.alloc(size))
    const server = await answering((_, response) => asJson(response, {}))
    const send = sender({ url: server.url })
    const store = await proxied(send, { clock: fakeClock() })('mlflow-artifacts:/r')
    const own = new TypeError('a bar of mine')
    const onProgress = () => {
      throw own
    }
    expect(await rejection(upload(store, dir, '', { onProgress }))).toBe(own)
    await send.close()
  })

  it('stops with the reason of the signal', async () => {
    const reason = new Error('enough')
    await expect(upload(fileArtifacts(tempDir()), sampleDir(), '', { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
  })
})

describe('download', () => {
  it('brings a directory, with what is below it, and counts the bytes', async () => {
    const to = join(tempDir(), 'out')
    const seen: number[] = []
    const files = await download(fileArtifacts(sampleDir()), '', to, {
      onProgress({ loaded, total }) {
        expect(total).toBe(18)
        seen.push(loaded)
      },
    })
    expect(files).toBe(4)
    expect(seen.at(-1)).toBe(18)
    expect(readFileSync(join(to, 'sub/deep/b.txt'), 'utf8')).toBe('bbbb')
    expect(readFileSync(join(to, 'sub/empty'), 'utf8')).toBe('')
  })

  it('a part is brought with paths from there, a single file under its name', async () => {
    const to = tempDir()
    const store = fileArtifacts(sampleDir())
    await download(store, 'sub', to)
    expect(readdirSync(to).sort()).toEqual(['deep', 'empty'])
    await download(store, 'sub/deep/b.txt', to)
    expect(readFileSync(join(to, 'b.txt'), 'utf8')).toBe('bbbb')
    await expect(download(store, 'absent', to)).rejects.toBeInstanceOf(NotFoundError)
  })

  it('a single file is brought whatever the others beside it are called', async () => {
    const beside = ['C:x.txt', '../x', 'good.txt'].map((path) => ({ path, isDir: false, size: 1 }))
    const to = tempDir()
    await download(fake({ '': beside }), 'good.txt', to)
    expect(readdirSync(to)).toEqual(['good.txt'])
  })

  it.each([
    '../../.ssh/authorized_keys',
    '/etc/passwd',
    'dir/../../x',
    'other/x',
    'a/b',
    '..',
    '',
    'a\\b',
    '%2e%2e/x',
    'C:/x',
  ])('a listing with %j writes nothing anywhere', async (path) => {
    const parent = tempDir()
    const to = join(parent, 'to')
    const store = fake({
      '': [
        { path: 'good.txt', isDir: false },
        { path, isDir: false },
      ],
    })
    await expect(download(store, '', to)).rejects.toBeInstanceOf(UnsafePathError)
    expect(readdirSync(parent)).toEqual([])
  })

  it.each([
    ['fewer', 5],
    ['more', 1],
  ])('%s bytes than listed are an IntegrityError and leave no file', async (_, size) => {
    const to = tempDir()
    const store = fake({ '': [{ path: 'x.bin', isDir: false, size }] }, 'abc')
    await expect(download(store, '', to)).rejects.toBeInstanceOf(IntegrityError)
    expect(readdirSync(to)).toEqual([])
  })

  it('nothing is written through a link that lies in the destination', async () => {
    const parent = tempDir()
    const to = join(parent, 'to')
    mkdirSync(to)
    mkdirSync(join(parent, 'elsewhere'))
    symlinkSync(join(parent, 'elsewhere'), join(to, 'sub'))
    writeFileSync(join(parent, 'victim'), 'old')
    symlinkSync(join(parent, 'victim'), join(to, 'a.txt'))
    await expect(download(fileArtifacts(sampleDir()), 'sub', to)).resolves.toBeDefined()
    await expect(download(fileArtifacts(sampleDir()), '', to)).rejects.toBeInstanceOf(UnsafePathError)
    await download(fileArtifacts(sampleDir()), 'a.txt', to)
    expect(readdirSync(join(parent, 'elsewhere'))).toEqual([])
    expect(readFileSync(join(parent, 'victim'), 'utf8')).toBe('old')
    expect(readFileSync(join(to, 'a.txt'), 'utf8')).toBe('aaa')
  })

  it('a file whose bytes break off, or are too few, is read anew; one that stays so is an error', async () => {
    const whole = () => new Blob(['12345678']).stream() as ReadableStream<Uint8Array>
    const cut = () =>
      new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new TextEncoder().encode('1234')),
        pull: (controller) => controller.error(new NetworkError('The connection broke')),
      })
    const short = () => new Blob(['123']).stream() as ReadableStream<Uint8Array>
    const listing = { '': [{ path: 'a', isDir: false, size: 8 }] }
    const from = (...bodies: (() => ReadableStream<Uint8Array>)[]): ArtifactStore => ({
      ...fake(listing),
      read: async () => (bodies.shift() ?? cut)(),
    })
    const to = tempDir()
    const loaded: number[] = []
    await download(from(cut, short, whole), '', to, { onProgress: (progress) => void loaded.push(progress.loaded) })
    expect(readFileSync(join(to, 'a'), 'utf8')).toBe('12345678')
    // Never back, whatever is read anew.
    expect(loaded).toEqual([4, 8])
    await expect(download(from(), '', tempDir())).rejects.toThrow('The connection broke')
    await expect(download(from(short, short, short, short), '', tempDir())).rejects.toBeInstanceOf(IntegrityError)
  })

  it('whose disk takes no more takes away what it brought, and nothing that another wrote meanwhile', async () => {
    const to = join(tempDir(), 'to')
    const store: ArtifactStore = {
      ...fake({}),
      list: async () => ['a', 'b'].map((path) => ({ path, isDir: false, size: 4 })),
      read: async (path) => {
        if (path === 'a') return new Blob(['ours']).stream() as ReadableStream<Uint8Array>
        writeFileSync(join(to, 'b'), 'theirs')
        throw Object.assign(new Error('full'), { code: 'ENOSPC' })
      },
    }
    await expect(download(store, '', to, { concurrency: 1 })).rejects.toThrow('its disk is full')
    expect(readdirSync(to)).toEqual(['b'])
    expect(readFileSync(join(to, 'b'), 'utf8')).toBe('theirs')
  })

  it('an endless listing ends in an error', async () => {
    const store = {
      ...fake({}),
      list: async (path: string) => [{ path: path === '' ? 'd' : `${path}/d`, isDir: true }],
    }
    await expect(download(store, '', tempDir())).rejects.toBeInstanceOf(IntegrityError)
  })
})

describe.skipIf(!mayMount())('a download to a disk that takes no more (needs the right to mount)', () => {
  const large = () => {
    const dir = sampleDir()
    writeFileSync(join(dir, 'sub', 'model.bin'), randomBytes(1_000_000))
    return fileArtifacts(dir)
  }

  it('says which folder and the way out, is not to be tried again, and leaves what was there', async () => {
    const disk = tempDir()
    mount(disk)
    try {
      const to = join(disk, 'models', 'one')
      const error = await rejection(download(large(), '', to))
      expect(error).toBeInstanceOf(UnavailableError)
      expect(error).toMatchObject({
        retryable: false,
        message: expect.stringMatching(/its disk is full \(ENOSPC\); .*dstPath/),
      })
      expect(error.message).toContain(`to ${to}:`)
      expect(readdirSync(disk)).toEqual([])
      mkdirSync(to, { recursive: true })
      writeFileSync(join(to, 'mine.txt'), 'mine')
      await rejection(download(large(), '', to))
      expect(readdirSync(to)).toEqual(['mine.txt'])
    } finally {
      unmount(disk)
    }
  })

  it('says that it may only be read', async () => {
    const disk = tempDir()
    mount(disk, 'ro')
    try {
      const error = await rejection(download(large(), '', join(disk, 'one')))
      expect(error).toBeInstanceOf(PermissionDeniedError)
      expect(error).toMatchObject({ retryable: false, message: expect.stringContaining('read-only (EROFS)') })
    } finally {
      unmount(disk)
    }
  })
})
