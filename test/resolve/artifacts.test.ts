import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { localPath } from '../../src/artifacts/location.js'
import { joinPath } from '../../src/artifacts/paths.js'
import type { ArtifactStore } from '../../src/artifacts/store.js'
import { InvalidParameterError, NotFoundError, UnsafePathError } from '../../src/errors.js'
import { logModel } from '../../src/models/log.js'
import { downloadArtifacts, listArtifacts } from '../../src/resolve/artifacts.js'
import type { Backends } from '../../src/resolve/backends.js'
import { modelHouse } from '../support/model-house.js'
import { tempDir } from '../support/temp-dir.js'

async function runWithFiles() {
  const house = modelHouse()
  const run = await house.newRun()
  const store = await house.deps.openArtifacts(run.artifactUri as string)
  await store.write('a.txt', new Blob(['aaa']))
  await store.write('plots/loss.svg', new Blob(['<svg/>']))
  await store.write('plots/deep/x.txt', new Blob(['x']))
  const info = await logModel(house.deps, run, { weights: { a: 1 } }, { name: 'model', registeredModelName: 'churn' })
  return { ...house, run, info }
}

describe('a download to a folder that nobody named', () => {
  let before: string | undefined
  let temporary: string
  beforeEach(() => {
    before = process.env.TMPDIR
    temporary = tempDir()
    process.env.TMPDIR = temporary
  })
  afterEach(() => {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  })
  const made = () => readdirSync(temporary).filter((name) => name.startsWith('cairn-') && name.length > 30)
  const backendsOf = (names: readonly string[], read: ArtifactStore['read']): Backends => {
    const store: ArtifactStore = {
      list: async (path) => names.map((name) => ({ path: joinPath(path, name), isDir: false, size: 3 })),
      read,
      write: async () => {},
      remove: async () => {},
    }
    return { ...modelHouse().backends, openAnyPlace: () => store }
  }
  const gone = async () => {
    throw new NotFoundError('gone')
  }

  it('leaves none behind when it fails', async () => {
    await expect(downloadArtifacts(backendsOf(['a.txt'], gone), 's3://bucket/run')).rejects.toThrow('gone')
    expect(made()).toEqual([])
  })

  it('leaves none behind when there is nothing', async () => {
    await expect(downloadArtifacts(backendsOf([], gone), 's3://bucket')).rejects.toThrow('There are no artifacts')
    expect(made()).toEqual([])
  })

  it('is one that only we may read, also where null names none', async () => {
    const backends = backendsOf(['a.txt'], async () => new Blob(['aaa']).stream() as ReadableStream<Uint8Array>)
    const dir = await downloadArtifacts(backends, 's3://bucket', { dstPath: null, concurrency: null } as never)
    expect(readFileSync(join(dir, 'a.txt'), 'utf8')).toBe('aaa')
    expect(made()).toEqual([basename(dir)])
    if (process.platform !== 'win32') expect(statSync(dir).mode & 0o777).toBe(0o700)
  })
})

it('a signal stops also what is looked up where it lies', async () => {
  const { backends, run } = await runWithFiles()
  const controller = new AbortController()
  const reason = new Error('enough')
  // After its place is known, which is asked for first.
  const openAnyPlace: Backends['openAnyPlace'] = (uri) => {
    controller.abort(reason)
    return backends.openAnyPlace(uri)
  }
  const target = { runId: run.runId, path: 'plots/loss.svg' }
  const { signal } = controller
  await expect(downloadArtifacts({ ...backends, openAnyPlace }, target, { signal })).rejects.toBe(reason)
})

describe('artifacts of runs', () => {
  it('are listed with the logged models of the run, as folders', async () => {
    const { backends, run } = await runWithFiles()
    const { runId } = run
    expect(await listArtifacts(backends, { runId })).toEqual([
      { path: 'a.txt', isDir: false, fileSize: 3 },
      { path: 'model', isDir: true, fileSize: undefined },
      { path: 'plots', isDir: true, fileSize: undefined },
    ])
    expect((await listArtifacts(backends, { runId }, 'plots')).map(({ path }) => path)).toEqual([
      'plots/deep',
      'plots/loss.svg',
    ])
    expect((await listArtifacts(backends, { runId }, 'model')).map(({ path }) => path)).toContain('model/MLmodel')
    expect(await listArtifacts(backends, { runId }, 'a.txt')).toEqual([])
    expect(await listArtifacts(backends, { runId }, 'absent')).toEqual([])
    expect((await listArtifacts(backends, 'models:/churn/1')).map(({ path }) => path)).toContain('MLmodel')
    await expect(listArtifacts(backends, { runId }, '../x')).rejects.toThrow(UnsafePathError)
    await expect(listArtifacts(backends, { runId: '../x' })).rejects.toThrow(InvalidParameterError)
  })

  it('are not all brought because the path is misspelt; a whole model or file names its run', async () => {
    const { backends, run, info } = await runWithFiles()
    const get = (target: object) => downloadArtifacts(backends, target as never, { dstPath: tempDir() })
    for (const name of ['pth', 'pathh', 'Path', 'paths', 'path_', 'paht']) {
      const getting = get({ runId: run.runId, [name]: 'a.txt' })
      await expect(getting, name).rejects.toThrow(InvalidParameterError)
      await expect(getting, name).rejects.toThrow(`Artifacts have no ${name}: did you mean path?`)
    }
    expect(readFileSync(await get({ runId: run.runId, path: 'a.txt', paths: [] }), 'utf8')).toBe('aaa')
    const [file] = await listArtifacts(backends, { runId: run.runId })
    expect(readFileSync(await get({ runId: run.runId, ...file }), 'utf8')).toBe('aaa')
    expect(readdirSync(await get(info))).toContain('a.txt')
    expect(readdirSync(await get({ ...run, info: {}, data: {}, runName: 'x', url: 'x', batch: 1 }))).toContain('a.txt')
  })

  it('are brought here: a file, a folder, a model, everything', async () => {
    const { backends, run, info } = await runWithFiles()
    const dstPath = tempDir()
    const get = (target: Parameters<typeof downloadArtifacts>[1]) => downloadArtifacts(backends, target, { dstPath })
    expect(await get({ runId: run.runId, path: 'plots/loss.svg' })).toBe(join(dstPath, 'plots/loss.svg'))
    expect(readFileSync(join(dstPath, 'plots/loss.svg'), 'utf8')).toBe('<svg/>')
    expect(await get(`runs:/${run.runId}/plots`)).toBe(join(dstPath, 'plots'))
    expect(existsSync(join(dstPath, 'plots/deep/x.txt'))).toBe(true)
    expect(await get(`runs:/${run.runId}/plots/loss.svg`)).toBe(join(dstPath, 'loss.svg'))
    expect(await get(`${info.modelUri}/weights.json`)).toBe(join(dstPath, 'weights.json'))
    expect(await get({ runId: run.runId, path: 'model' })).toBe(join(dstPath, 'model'))
    expect(existsSync(join(dstPath, 'model/MLmodel'))).toBe(true)
    const whole = tempDir()
    expect(await downloadArtifacts(backends, 'models:/churn/1', { dstPath: whole })).toBe(whole)
    expect(readdirSync(whole)).toContain('MLmodel')
  })

  it('without a destination, places on this disk are answered as they are', async () => {
    const { backends, run } = await runWithFiles()
    const path = await downloadArtifacts(backends, { runId: run.runId, path: 'a.txt' })
    expect(path).toBe(join(localPath(run.artifactUri as string), 'a.txt'))
    await expect(downloadArtifacts(backends, { runId: run.runId, path: 'absent' })).rejects.toThrow(NotFoundError)
  })

  it('what is absent, or leads out, is refused and nothing is written', async () => {
    const { backends, run } = await runWithFiles()
    const dstPath = tempDir()
    const get = (path: string) => downloadArtifacts(backends, { runId: run.runId, path }, { dstPath })
    await expect(get('absent')).rejects.toThrow(NotFoundError)
    await expect(get('../x')).rejects.toThrow(UnsafePathError)
    await expect(get('%2e%2e/x')).rejects.toThrow(UnsafePathError)
    expect(readdirSync(dstPath)).toEqual([])
  })

  it('a store elsewhere is asked by folder and name, and a fresh folder is nobody else’s', async () => {
    const asked: string[] = []
    const store: ArtifactStore = {
      list: async (path) => (path === '' ? [{ path: 'a b.txt', isDir: false, size: 2 }] : []),
      read: async () => new Blob(['hi']).stream() as ReadableStream<Uint8Array>,
      write: async () => {},
      remove: async () => {},
    }
    const { backends } = modelHouse()
    const elsewhere: Backends = {
      ...backends,
      openAnyPlace: (uri) => {
        asked.push(uri)
        return store
      },
    }
    const path = await downloadArtifacts(elsewhere, 's3://bucket/deep/a%20b.txt')
    expect(readFileSync(path, 'utf8')).toBe('hi')
    expect(asked).toEqual(['s3://bucket/deep'])
    await downloadArtifacts(elsewhere, 's3://bucket', { dstPath: tempDir() })
    await downloadArtifacts(elsewhere, 'mlflow-artifacts:/', { dstPath: tempDir() })
    expect(asked.slice(1)).toEqual(['s3://bucket', 'mlflow-artifacts:/'])
    await expect(downloadArtifacts(elsewhere, 's3://bucket/a#b', { dstPath: tempDir() })).rejects.toThrow(
      UnsafePathError,
    )
  })
})
