import { copyFileSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Client } from '../../src/client.js'
import { startTestServer } from '../../src/testing/index.js'
import { tempDir } from '../support/temp-dir.js'
import { clientOf } from './stand.js'

const read = async (client: Client, runId = '', path = 'w.bin') =>
  readFileSync(await client.downloadArtifacts({ runId, path }), 'utf8')

/** A file as MLflow's client logs it to a local store: with the time at which it was written elsewhere. */
function logOlder(at: string, text: string): void {
  const written = join(tempDir(), 'written')
  writeFileSync(written, text)
  copyFileSync(written, at)
  utimesSync(at, 1_000_000_000, 1_000_000_000)
}

/** A store with a run that goes on and has two files, and the server it is copied to. */
async function stand() {
  const dir = tempDir()
  const path = join(dir, 'mlruns')
  const source = clientOf(path, dir)
  const run = await source.startRun({})
  await run.logText('first', 'w.bin')
  await run.logText('other', 'b.txt')
  const server = await startTestServer()
  const target = clientOf(server.url, tempDir())
  const files = join(path, '0', run.runId, 'artifacts')
  const close = async () => {
    await source.close()
    await target.close()
    await server.close()
  }
  return { path, source, run, server, target, files, to: server.url, [Symbol.asyncDispose]: close }
}

describe('a file that changed and has the size it had', () => {
  it('is sent again, alone, while its run goes on and when it is over', async () => {
    await using at = await stand()
    const { path, source, run, target, to } = at
    const { runIds } = await source.sync(path, { to })
    await run.logText('again', 'w.bin')
    expect(await source.sync(path, { to, dryRun: true })).toMatchObject({ files: 1 })
    expect(await source.sync(path, { to })).toMatchObject({ runs: { changed: 1 }, files: 1, bytes: 5 })
    expect(await read(target, runIds[run.runId])).toBe('again')
    expect(await source.sync(path, { to })).toMatchObject({ runs: { same: 1 }, files: 0 })
    await run.end()
    await source.sync(path, { to })
    logOlder(join(at.files, 'w.bin'), 'third')
    expect(await source.sync(path, { to })).toMatchObject({ runs: { changed: 1 }, files: 1 })
    expect(await read(target, runIds[run.runId])).toBe('third')
    expect(await source.sync(path, { to })).toMatchObject({ runs: { same: 1 }, files: 0 })
  })

  it.each([
    ['is sent again when it changed after a copy that was cut had sent it', 'again', 2],
    ['and did not change is not sent again when a copy that was cut goes on', undefined, 1],
  ])('%s', async (_, text, files) => {
    await using at = await stand()
    const { path, source, run, server, target, to } = at
    // Descriptions are sent last.
    await run.logText('flavors: {}\n', 'm/MLmodel')
    server.faults.add({ on: 'artifacts', skip: 2, status: 400, body: '{}' })
    expect(await source.sync(path, { to })).toMatchObject({ files: 2, failed: [{ what: 'run' }] })
    if (text) await run.logText(text, 'w.bin')
    const { runIds, ...result } = await source.sync(path, { to })
    expect(result).toMatchObject({ files, failed: [] })
    expect(await read(target, runIds[run.runId])).toBe(text ?? 'first')
  })

  it('stays as somebody else made it at the target when it is the copy that changed', async () => {
    await using at = await stand()
    const { path, source, run, target, to } = at
    const { runIds } = await source.sync(path, { to })
    const there = await target.startRun({ runId: runIds[run.runId] })
    await there.logText('their', 'w.bin')
    run.logMetric('loss', 1)
    await run.end()
    expect(await source.sync(path, { to })).toMatchObject({ files: 0, points: 1 })
    expect(await read(target, runIds[run.runId])).toBe('their')
  })

  it('is not sent back as the copy wrote it, and is when it or another was changed there', async () => {
    await using at = await stand()
    const { path, source, run, target: client, to: server } = at
    await run.logModel({ weights: { age: 2 } }, { name: 'model', params: { own: 1 } })
    await run.end()
    const { runIds } = await source.sync(path, { to: server })
    const there = runIds[run.runId] ?? ''
    const back = join(tempDir(), 'back')
    const second = await client.sync(server, { to: back })
    expect(second).toMatchObject({ failed: [] })
    const sendBack = () => client.sync(back, { to: server })
    expect(await sendBack()).toMatchObject({ files: 0, failed: [] })
    expect(await sendBack()).toMatchObject({ files: 0, failed: [] })
    // Nor does the first store send what it sent before, or keep what changed in it meanwhile.
    expect(await source.sync(path, { to: server })).toMatchObject({ files: 0, failed: [] })
    const files = join(back, '0', second.runIds[there] ?? '', 'artifacts')
    logOlder(join(files, 'w.bin'), 'again')
    expect(await sendBack()).toMatchObject({ files: 1, failed: [] })
    expect(await read(client, there)).toBe('again')
    expect(await sendBack()).toMatchObject({ files: 0 })
    // What was changed by hand before a copy wrote beside it is no work of the copy.
    logOlder(join(files, 'w.bin'), 'third')
    const place = `${server}/api/2.0/mlflow-artifacts/artifacts/0/${there}/artifacts/more.txt`
    expect((await fetch(place, { method: 'PUT', body: 'more' })).status).toBe(200)
    expect(await client.sync(server, { to: back })).toMatchObject({ files: 1, failed: [] })
    const sent = await sendBack()
    expect(sent.failed).toEqual([])
    expect([sent.files, await read(client, there)]).toEqual([1, 'third'])
  })

  it('comes from a server when something else of its run changed, too; else nothing is read', async () => {
    await using at = await stand()
    const { target: source, server, to: from } = at
    const to = join(tempDir(), 'copy')
    const run = await source.startRun({})
    await run.logText('first', 'w.bin')
    const { runIds } = await source.sync(from, { to })
    const local = clientOf(to, tempDir())
    const seen = server.requests.length
    expect(await source.sync(from, { to })).toMatchObject({ runs: { same: 1 }, files: 0 })
    expect(server.requests.slice(seen).filter(({ url }) => url.includes('w.bin'))).toEqual([])
    for (const text of ['again', 'third']) {
      await run.logText(text, 'w.bin')
      if (text === 'again') run.logMetric('loss', 1)
      else await run.end()
      await run.flush()
      expect(await source.sync(from, { to })).toMatchObject({ files: 1 })
      expect(await read(local, runIds[run.runId])).toBe(text)
    }
    expect(await source.sync(from, { to })).toMatchObject({ runs: { same: 1 }, files: 0 })
    await local.close()
  })
})

describe.each([
  ['a server', false],
  ['a server without logged models', true],
])('files of a logged model that changed, at %s', (_, isOld) => {
  it('are sent again, its description too', async () => {
    await using at = await stand()
    const { path, source, run, server, target, to } = at
    const body = '{"error_code":"ENDPOINT_NOT_FOUND","message":"no such endpoint"}'
    for (const on of isOld ? (['createLoggedModel', 'searchLoggedModels'] as const) : [])
      server.faults.add({ on, times: Number.POSITIVE_INFINITY, status: 404, body })
    const { modelId = '' } = await run.logModel({ weights: { age: 2 } }, { name: 'model', params: { own: 1 } })
    await run.end()
    const { runIds, modelIds } = await source.sync(path, { to })
    const files = join(path, '0', 'models', modelId, 'artifacts')
    const description = join(files, 'MLmodel')
    const weights = join(files, 'weights.json')
    logOlder(weights, readFileSync(weights, 'utf8').replace('2', '3'))
    logOlder(description, readFileSync(description, 'utf8').replace('utc_time_created: ', 'utc_time_changed: '))
    expect(await source.sync(path, { to })).toMatchObject({ files: 2, failed: [] })
    expect(await source.sync(path, { to })).toMatchObject({ files: 0 })
    const uri = isOld ? `runs:/${runIds[run.runId]}/model` : `models:/${modelIds[modelId]}`
    const there = await target.downloadArtifacts(uri)
    expect(readFileSync(join(there, 'MLmodel'), 'utf8')).toContain('utc_time_changed: ')
    expect(readFileSync(join(there, 'weights.json'), 'utf8')).toBe(readFileSync(weights, 'utf8'))
  })
})
