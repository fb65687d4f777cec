import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { Header } from 'tar'
import { describe, expect, it } from 'vitest'
import { CairnError, IntegrityError, InvalidParameterError } from '../../src/errors.js'
import { packModel } from '../../src/models/bundle.js'
import { BUNDLE_LIMITS, readBundle } from '../../src/models/unpack.js'
import { modelHouse } from '../support/model-house.js'
import { tempDir } from '../support/temp-dir.js'

interface Member {
  readonly path: string
  readonly type?: 'File' | 'Directory' | 'SymbolicLink' | 'Link' | 'CharacterDevice' | 'FIFO'
  readonly linkpath?: string
  readonly data?: Buffer
  readonly size?: number
}

const block = (data: Buffer): Buffer => Buffer.concat([data, Buffer.alloc((512 - (data.length % 512)) % 512)])

function member({ path, type = 'File', linkpath = '', data = Buffer.alloc(0), size = data.length }: Member): Buffer {
  const head = Buffer.alloc(512)
  new Header({ path, type, linkpath, size, mode: 0o644, mtime: new Date(0) }).encode(head, 0)
  return Buffer.concat([head, block(data)])
}

const tar = (...members: (Member | Buffer)[]): Buffer =>
  Buffer.concat([...members.map((one) => (Buffer.isBuffer(one) ? one : member(one))), Buffer.alloc(1024)])

const mlmodel: Member = { path: 'MLmodel', data: Buffer.from('flavors: {plain: {}}') }
const pax = (records: Record<string, string>): Buffer => {
  const lines = Object.entries(records).map(([key, value]) => {
    const body = ` ${key}=${value}\n`
    let length = Buffer.byteLength(body) + 1
    while (String(length).length + Buffer.byteLength(body) !== length) length++
    return `${length}${body}`
  })
  const data = Buffer.from(lines.join(''))
  const head = Buffer.alloc(512)
  new Header({ path: 'PaxHeader/x', type: 'ExtendedHeader', size: data.length, mode: 0o644 }).encode(head, 0)
  return Buffer.concat([head, block(data)])
}
const negative = (): Buffer => {
  const head = member({ path: 'neg', data: Buffer.from('x') })
  Buffer.alloc(12, 0xff).copy(head, 124)
  mend(head)
  return head
}

/** Makes a header's checksum right again. */
function mend(head: Buffer): void {
  let sum = 8 * 32
  for (let at = 0; at < 512; at++) if (at < 148 || at >= 156) sum += head[at] as number
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
}

async function unpack(bytes: Buffer, limits = BUNDLE_LIMITS): Promise<string> {
  const dir = tempDir()
  const file = join(dir, 'x.tgz')
  writeFileSync(file, bytes)
  mkdirSync(join(dir, 'out', 'in'), { recursive: true })
  await readBundle(file, join(dir, 'out', 'in'), { limits })
  return join(dir, 'out', 'in')
}

describe('bundles', () => {
  it('a model is packed and loaded from one file, with its name and version, and replays', async () => {
    const { log, load, deps, dir, calls } = modelHouse()
    await log(
      { weights: { a: 1, b: 2 } },
      { inputExample: [{ a: 1, b: 2 }], registeredModelName: 'churn', stage: 'Production' },
    )
    const file = await packModel(deps, 'models:/churn/Production', join(dir, 'out', 'churn.tgz'))
    calls.length = 0
    await using loaded = await load(file, { replay: true, offline: 'only' })
    expect(await loaded.predict([{ a: 1, b: 1 }])).toEqual([{ sum: 3 }])
    expect(loaded.info).toMatchObject({ name: 'churn', version: '1', source: file })
    expect(calls).toEqual([])
    expect(readdirSync(join(dir, 'out'))).toEqual(['churn.tgz'])
    const again = await packModel(deps, 'models:/churn/1', join(dir, 'out', 'again.tgz'))
    expect(readFileSync(again).equals(readFileSync(file))).toBe(true)
  })

  it('a name that is no bundle, and a folder that is no model, are refused', async () => {
    const { deps } = modelHouse()
    for (const name of ['x.zip', 10n, Symbol('x'), Object.create(null)] as never[])
      await expect(packModel(deps, tempDir(), name)).rejects.toThrow(InvalidParameterError)
    await expect(packModel(deps, tempDir(), join(tempDir(), 'x.tgz'))).rejects.toThrow(/no MLmodel/)
  })

  it('what tar(1) writes is read: ./ before names, directories of their own', async () => {
    const out = await unpack(
      gzipSync(
        tar(
          { path: './', type: 'Directory' },
          { ...mlmodel, path: './MLmodel' },
          { path: './d/', type: 'Directory' },
          { path: './d/x', data: Buffer.alloc(1500, 7) },
        ),
      ),
    )
    expect(readdirSync(out).sort()).toEqual(['MLmodel', 'd'])
    expect(readFileSync(join(out, 'd/x'))).toEqual(Buffer.alloc(1500, 7))
  })

  const hostile: Record<string, Buffer> = {
    'a path that leads out': tar(mlmodel, { path: '../x', data: Buffer.from('x') }),
    'one deep inside that leads out': tar(mlmodel, { path: 'a/../../x', data: Buffer.from('x') }),
    'an absolute path': tar(mlmodel, { path: '/tmp/x', data: Buffer.from('x') }),
    'many slashes': tar(mlmodel, { path: '////tmp/x', data: Buffer.from('x') }),
    'a drive': tar(mlmodel, { path: 'C:/x', data: Buffer.from('x') }),
    'a drive without a slash': tar(mlmodel, { path: 'C:x', data: Buffer.from('x') }),
    backslashes: tar(mlmodel, { path: '..\\..\\x', data: Buffer.from('x') }),
    'a UNC name': tar(mlmodel, { path: '\\\\host\\share\\x', data: Buffer.from('x') }),
    'an encoded way out': tar(mlmodel, { path: '%2e%2e/x', data: Buffer.from('x') }),
    'a symbolic link': tar(mlmodel, { path: 'l', type: 'SymbolicLink', linkpath: '../..' }),
    'a symbolic link inside': tar(mlmodel, { path: 'l', type: 'SymbolicLink', linkpath: 'MLmodel' }),
    'a hard link': tar(mlmodel, { path: 'l', type: 'Link', linkpath: '/etc/passwd' }),
    'a device': tar(mlmodel, { path: 'dev', type: 'CharacterDevice' }),
    'a pipe': tar(mlmodel, { path: 'pipe', type: 'FIFO' }),
    'a name twice': tar(mlmodel, mlmodel),
    'names that differ in case': tar(mlmodel, { path: 'mlMODEL' }),
    'directories that differ in case': tar(mlmodel, { path: 'Dir/a' }, { path: 'dir/b' }),
    'names that differ in composition': tar(mlmodel, { path: 'é' }, { path: 'e\u0301' }),
    'ß and ss': tar(mlmodel, { path: 'straße' }, { path: 'strasse' }),
    'a file where a directory is': tar(mlmodel, { path: 'a' }, { path: 'a/b' }),
    'no MLmodel': tar({ path: 'sub/MLmodel', data: Buffer.from('x') }),
    'a PAX path that leads out': tar(mlmodel, pax({ path: '../../x' }), { path: 'ok', data: Buffer.from('x') }),
    'a PAX path of digits': tar(mlmodel, pax({ path: '../1234' }), { path: 'ok' }),
    'a PAX path with NUL': tar(mlmodel, pax({ path: 'a\0b' }), { path: 'ok' }),
    'a PAX size that lies': tar(mlmodel, pax({ size: '99999999' }), { path: 'ok', data: Buffer.from('x') }),
    'a negative size': tar(mlmodel, negative()),
    'a size past the end': tar(mlmodel, { path: 'x', size: 1_000_000 }),
    'a broken checksum': tar(mlmodel, Buffer.alloc(512, 'x')),
    'deep directories': tar(mlmodel, pax({ path: `${'d/'.repeat(1000)}x` }), { path: 'ok' }),
    nothing: Buffer.alloc(1024),
  }

  it.each(Object.entries(hostile))('a bundle with %s is refused whole', async (_, bytes) => {
    const failure = await unpack(gzipSync(bytes)).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(CairnError)
    const { deps, load } = modelHouse()
    const file = join(tempDir(), 'x.tgz')
    writeFileSync(file, gzipSync(bytes))
    await expect(load(file)).rejects.toBeInstanceOf(CairnError)
    expect((await deps.cache.info()).entries).toEqual([])
  })

  it('no gzip, a cut one, and one in another are refused', async () => {
    await expect(unpack(Buffer.from('hello'))).rejects.toThrow(IntegrityError)
    await expect(unpack(Buffer.alloc(0))).rejects.toThrow(IntegrityError)
    await expect(unpack(gzipSync(gzipSync(tar(mlmodel))))).rejects.toThrow(/compressed twice/)
    const file = join(tempDir(), 'cut.tgz')
    writeFileSync(file, gzipSync(tar(mlmodel, { path: 'x', data: Buffer.alloc(100_000, 1) })))
    truncateSync(file, 60)
    await expect(readBundle(file, tempDir())).rejects.toThrow(IntegrityError)
  })

  it('limits on entries, bytes and ratio hold', async () => {
    const many = Array.from({ length: 20 }, (_, i) => ({ path: `f${i}`, data: Buffer.alloc(100) }))
    const bytes = gzipSync(tar(mlmodel, ...many))
    await expect(unpack(bytes, { ...BUNDLE_LIMITS, entries: 10 })).rejects.toThrow(/more than 10 entries/)
    await expect(unpack(bytes, { ...BUNDLE_LIMITS, bytes: 1000 })).rejects.toThrow(/more than 1000 bytes/)
    const bomb = gzipSync(tar(mlmodel, { path: 'zeros', data: Buffer.alloc(80 * 2 ** 20) }))
    await expect(unpack(bomb)).rejects.toThrow(/over 200 times its size/)
  })

  it('of bundles with bytes changed at random none is read in part, none escapes, none throws another error', async () => {
    const whole = tar(mlmodel, { path: 'sub/', type: 'Directory' }, pax({ path: `sub/${'n'.repeat(120)}` }), {
      path: 'short',
      data: Buffer.alloc(700, 3),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        async (changes, mendChecksums) => {
          const bytes = Buffer.from(whole)
          for (const [at, value] of changes) bytes[at] = value
          if (mendChecksums)
            for (let at = 0; at < bytes.length; at += 512)
              if (bytes.toString('latin1', at + 257, at + 262) === 'ustar') mend(bytes.subarray(at, at + 512))
          const dir = tempDir()
          const file = join(dir, 'x.tgz')
          writeFileSync(file, gzipSync(bytes))
          mkdirSync(join(dir, 'out', 'in'), { recursive: true })
          const failure = await readBundle(file, join(dir, 'out', 'in')).catch((error: unknown) => error)
          if (failure !== undefined) expect(failure).toBeInstanceOf(CairnError)
          expect(readdirSync(join(dir, 'out'))).toEqual(['in'])
          expect(readdirSync(dir).sort()).toEqual(['out', 'x.tgz'])
        },
      ),
      { numRuns: 150 },
    )
  })
})
