import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { saveFile } from '../../src/disk/files.js'
import { IntegrityError, NotFoundError, PermissionDeniedError } from '../../src/errors.js'
import { type CacheKey, modelCache } from '../../src/models/cache.js'
import { rejection } from '../support/answering.js'
import { mayMount, mount, unmount } from '../support/small-disk.js'
import { tempDir } from '../support/temp-dir.js'

const key: CacheKey = { name: 'churn', label: '7', parts: ['http://registry', 's3://b/x', '1700000000000'] }

/** A filler that counts how often it was asked. */
function filler(text = 'weights') {
  const fill = Object.assign(
    async (dir: string) => {
      fill.calls++
      mkdirSync(join(dir, 'sub'))
      writeFileSync(join(dir, 'MLmodel'), 'flavors')
      writeFileSync(join(dir, 'sub', 'w.bin'), text)
      await new Promise((resolve) => setTimeout(resolve, 5))
    },
    { calls: 0 },
  )
  return fill
}

function freshCache() {
  const warnings: string[] = []
  const dir = join(tempDir(), 'cache')
  return { cache: modelCache({ dir, warn: (message) => warnings.push(message) }), dir, warnings }
}

describe('the model cache', () => {
  it('fills an entry once and answers it ever after', async () => {
    const { cache, dir } = freshCache()
    const fill = filler()
    const first = await cache.cached(key, fill)
    expect(await modelCache({ dir }).cached(key, fill)).toBe(first)
    expect(fill.calls).toBe(1)
    expect(readFileSync(join(first, 'sub/w.bin'), 'utf8')).toBe('weights')
    expect(statSync(dir).mode & 0o777).toBe(0o700)
    expect((await cache.info()).entries).toHaveLength(1)
  })

  it('callers at once share one filling', async () => {
    const { cache } = freshCache()
    const fill = filler()
    const paths = await Promise.all(Array.from({ length: 10 }, () => cache.cached(key, fill)))
    expect(new Set(paths).size).toBe(1)
    expect(fill.calls).toBe(1)
  })

  it('a caller who gives up does not take the filling from the others', async () => {
    const { cache } = freshCache()
    const fill = filler()
    const controller = new AbortController()
    const impatient = cache.cached(key, fill, { signal: controller.signal })
    const patient = cache.cached(key, fill)
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(impatient).rejects.toBe(reason)
    await expect(patient).resolves.toMatch(/model$/)
    expect(fill.calls).toBe(1)
  })

  it('when all give up, the filling is told, nothing stays, and the next one starts anew', async () => {
    const { cache, dir } = freshCache()
    const controller = new AbortController()
    const reason = new Error('enough')
    const slow = (_: string, signal: AbortSignal) =>
      new Promise<void>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    const waiting = cache.cached(key, slow, { signal: controller.signal })
    setTimeout(() => controller.abort(reason), 20)
    await expect(waiting).rejects.toBe(reason)
    await expect(cache.cached(key, filler())).resolves.toMatch(/model$/)
    expect(readdirSync(join(dir, 'v1'), { recursive: true }).filter((name) => String(name).includes('.stage'))).toEqual(
      [],
    )
  })

  it('keys that differ in any part have entries of their own', async () => {
    const { cache } = freshCache()
    const fill = filler()
    await cache.cached(key, fill)
    await cache.cached({ ...key, label: '8' }, fill)
    await cache.cached({ ...key, parts: ['http://other', ...key.parts.slice(1)] }, fill)
    await cache.cached({ ...key, name: 'a%2fb/../..' }, fill)
    expect(fill.calls).toBe(4)
    expect((await cache.info()).entries).toHaveLength(4)
  })

  it.each<[string, (dir: string) => void]>([
    ['truncated', (dir) => writeFileSync(join(dir, 'sub/w.bin'), 'w')],
    ['flipped', (dir) => writeFileSync(join(dir, 'sub/w.bin'), 'WEIGHTS')],
    ['missing', (dir) => rmSync(join(dir, 'sub/w.bin'))],
    ['planted', (dir) => writeFileSync(join(dir, 'extra.py'), 'import os')],
    [
      'replaced by a link',
      (dir) => {
        rmSync(join(dir, 'sub/w.bin'))
        symlinkSync('/etc/hostname', join(dir, 'sub/w.bin'))
      },
    ],
    ['without its manifest', (dir) => rmSync(join(dir, '../manifest.json'))],
    ['with a torn manifest', (dir) => writeFileSync(join(dir, '../manifest.json'), '{"files":')],
  ])('a %s file is found before the load, set aside and fetched again', async (_, damage) => {
    const { cache, warnings, dir } = freshCache()
    const fill = filler()
    const path = await cache.cached(key, fill)
    damage(path)
    await expect(cache.cached(key, fill, { offline: 'there is no network' })).rejects.toThrow(IntegrityError)
    expect(await cache.cached(key, fill)).toBe(path)
    expect(fill.calls).toBe(2)
    expect(readFileSync(join(path, 'sub/w.bin'), 'utf8')).toBe('weights')
    expect(warnings).toHaveLength(1)
    expect(readdirSync(join(dir, 'v1/quarantine'))).toHaveLength(1)
  })

  it('a touched file that is the same is hashed and kept', async () => {
    const { cache } = freshCache()
    const fill = filler()
    const path = await cache.cached(key, fill)
    utimesSync(join(path, 'MLmodel'), new Date(), new Date())
    await cache.cached(key, fill)
    expect(fill.calls).toBe(1)
  })

  it('verify always finds a change that kept size, time and inode', async () => {
    const { cache } = freshCache()
    const fill = filler()
    const path = await cache.cached(key, fill)
    const file = join(path, 'sub/w.bin')
    const { atimeMs, mtimeMs } = statSync(file)
    // Times set from text keep their nanoseconds only where the file system has them: set the manifest's, too.
    writeFileSync(file, 'WEIGHTS')
    utimesSync(file, atimeMs / 1000, mtimeMs / 1000)
    const manifest = join(path, '../manifest.json')
    const known = JSON.parse(readFileSync(manifest, 'utf8'))
    known.files['sub/w.bin'].mtimeMs = statSync(file).mtimeMs
    writeFileSync(manifest, JSON.stringify(known))
    await cache.cached(key, fill)
    expect(fill.calls).toBe(1)
    await cache.cached(key, fill, { verify: 'always' })
    expect(fill.calls).toBe(2)
  })

  it('a failing fill leaves no entry, and the failure comes through', async () => {
    const { cache } = freshCache()
    const failure = new Error('cut')
    await expect(
      cache.cached(key, async (dir) => {
        writeFileSync(join(dir, 'half'), '')
        throw failure
      }),
    ).rejects.toBe(failure)
    await expect(cache.cached(key, filler(), { offline: 'no network' })).rejects.toThrow(NotFoundError)
  })

  it('a directory that all may write to is refused, one of the group is warned about', async () => {
    const dir = tempDir()
    chmodSync(dir, 0o777)
    await expect(modelCache({ dir }).cached(key, filler())).rejects.toThrow(PermissionDeniedError)
    chmodSync(dir, 0o770)
    const warnings: string[] = []
    await modelCache({ dir, warn: (message) => warnings.push(message) }).cached(key, filler())
    expect(warnings.join()).toMatch(/group may write/)
  })

  it('prune keeps what was used last, within the bytes and the age', async () => {
    const { cache } = freshCache()
    const keys = ['1', '2', '3'].map((label) => ({ ...key, label }))
    for (const [index, one] of keys.entries()) {
      const path = await cache.cached(one, filler())
      const then = new Date(Date.now() - (3 - index) * 60_000)
      utimesSync(join(path, '../manifest.json'), then, then)
    }
    const { entries, bytes } = await cache.info()
    expect(entries.map(({ name }) => name)).toEqual(['churn/3', 'churn/2', 'churn/1'])
    expect(await cache.prune({ maxBytes: bytes - 1 })).toMatchObject({ removed: 1 })
    expect(await cache.prune({ olderThanMs: 90_000 })).toMatchObject({ removed: 1 })
    expect((await cache.info()).entries.map(({ name }) => name)).toEqual(['churn/3'])
    expect(await cache.prune()).toEqual({ removed: 0, bytes: 0 })
    await expect(cache.prune({ maxBytes: -1 })).rejects.toThrow(/maxBytes is a number from 0/)
    await expect(cache.prune({ olderThanMs: Number.NaN })).rejects.toThrow(/olderThanMs/)
  })

  it('keeps what a reference meant last', async () => {
    const { cache, dir } = freshCache()
    expect(await cache.recall(['r', 'models:/a/Production'])).toBeUndefined()
    await cache.remember(['r', 'models:/a/Production'], { version: '3' })
    expect(await modelCache({ dir }).recall(['r', 'models:/a/Production'])).toEqual({ version: '3' })
  })

  it('processes that fill one entry at once all see it whole', async () => {
    const { dir } = freshCache()
    const script = join(tempDir(), 'one.mts')
    const source = pathToFileURL(join(import.meta.dirname, '../../src/models/cache.ts')).href
    writeFileSync(
      script,
      `import { modelCache } from ${JSON.stringify(source)}
import { readFileSync, writeFileSync } from 'node:fs'
const path = await modelCache({ dir: ${JSON.stringify(dir)} }).cached(${JSON.stringify(key)}, async (dir) => {
  writeFileSync(dir + '/w.bin', 'x'.repeat(1e6))
})
console.log(readFileSync(path + '/w.bin').length)`,
    )
    const command = Array.from({ length: 4 }, () => `node --import tsx ${script} &`).join(' ')
    const printed = execFileSync('sh', ['-c', `${command} wait`], { encoding: 'utf8' })
    expect(printed.trim().split('\n')).toEqual(['1000000', '1000000', '1000000', '1000000'])
  })
})

describe('a cache whose process was killed', () => {
  it('shows no part of what was under way, and fills it the next time', async () => {
    const { dir } = freshCache()
    const script = join(tempDir(), 'killed.mts')
    const source = pathToFileURL(join(import.meta.dirname, '../../src/models/cache.ts')).href
    writeFileSync(
      script,
      `import { modelCache } from ${JSON.stringify(source)}
import { writeFileSync } from 'node:fs'
await modelCache({ dir: ${JSON.stringify(dir)} }).cached(${JSON.stringify(key)}, async (dir) => {
  writeFileSync(dir + '/half.bin', 'x')
  process.kill(process.pid, 'SIGKILL')
  await new Promise(() => setInterval(() => {}, 1000))
})`,
    )
    expect(() => execFileSync('node', ['--import', 'tsx', script], { stdio: 'ignore' })).toThrow()
    const cache = modelCache({ dir })
    expect((await cache.info()).entries).toEqual([])
    const path = await cache.cached(key, filler())
    expect(readdirSync(path).sort()).toEqual(['MLmodel', 'sub'])
  })
})

describe.skipIf(!mayMount())('a model cache on a full disk (needs the right to mount)', () => {
  it('says where there is no room and the way out, is not to be tried again, and leaves no folder of the model', async () => {
    const dir = tempDir()
    mount(dir, 'size=600k,mode=700')
    try {
      const error = await rejection(modelCache({ dir }).cached(key, (to) => saveBig(join(to, 'model.bin'))))
      expect(error).toMatchObject({ name: 'UnavailableError', retryable: false })
      expect(error.message).toMatch(/ENOSPC\); .*cache prune.*CAIRN_CACHE_DIR/)
      expect(error.message).toContain(`written to ${dir}:`)
      expect(readdirSync(join(dir, 'v1'))).toEqual([])
    } finally {
      unmount(dir)
    }
  })
})

const saveBig = async (file: string): Promise<void> => void (await saveFile(file, new Uint8Array(1_000_000)))
