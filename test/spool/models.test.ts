import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type Client, createClient } from '../../src/index.js'
import type { ChildOptions } from '../support/child.js'
import { leftIn } from '../support/left.js'
import { linearModule } from '../support/linear-models.js'
import { mayMount, mount, unmount } from '../support/small-disk.js'
import { stand } from '../support/spool-child.js'
import { tempDir } from '../support/temp-dir.js'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function house() {
  const here = await stand()
  closers.push(here.stop)
  const model = JSON.stringify(linearModule())
  const connect = (): Client => {
    const client = createClient({ trackingUri: here.url, cacheDir: join(tempDir(), 'cache') })
    closers.push(() => client.close())
    return client
  }
  /** What a server has of models: each of them has to be there once. */
  const there = async () => {
    const client = connect()
    const models = await client.searchLoggedModels({ experimentIds: ['0'] })
    const versions = await client.searchModelVersions()
    return { client, models, versions }
  }
  return {
    ...here,
    get server() {
      return here.server
    },
    there,
    run: (body: string, more?: Partial<ChildOptions>) => here.run(body.replaceAll('MODEL', model), more),
  }
}

const LOG = `await activeRun().logModel(MODEL, {
  name: 'net', flavor: 'node', params: { depth: 3 }, inputExample: [{ a: 1, b: 2 }],
  registeredModelName: 'churn', stage: 'Production', alias: 'champion',
})`

async function expectWhole({ there, spoolDir }: Awaited<ReturnType<typeof house>>) {
  const { client, models, versions } = await there()
  expect(models).toHaveLength(1)
  const [info] = models as [(typeof models)[0]]
  expect(info).toMatchObject({ name: 'net', status: 'READY', modelType: 'node' })
  expect(info.params).toEqual({ lr: '0.1', depth: '3' })
  expect(versions).toHaveLength(1)
  expect(versions[0]).toMatchObject({ name: 'churn', version: '1', modelId: info.modelId, currentStage: 'Production' })
  expect((await client.getModelVersionByAlias('churn', 'champion')).version).toBe('1')
  expect((await client.getStageHistory('churn')).map(({ to, alias }) => alias ?? to)).toEqual([
    'Production',
    'champion',
  ])
  const [run, ...others] = await client.searchRuns()
  expect(others).toEqual([])
  expect(run?.outputs?.modelOutputs).toMatchObject([{ modelId: info.modelId }])
  // Who logged it from where, whichever process has sent it.
  const { 'mlflow.user': user } = run?.data.tags ?? {}
  const source = { 'mlflow.source.type': 'LOCAL', 'mlflow.source.name': expect.stringMatching(/script\.mjs$/) }
  expect(info.tags).toMatchObject({ 'mlflow.user': user, ...source })
  const loaded = await client.loadModel('models:/churn@champion', { allowCode: true, replay: true })
  expect(loaded.info).toMatchObject({ runId: run?.info.runId, modelId: info.modelId })
  expect(await loaded.predict([{ a: 1, b: 1 }])).toEqual([{ sum: 3 }])
  await loaded.dispose()
  expect(leftIn(spoolDir)).toEqual([])
  return { client, run, info }
}

describe('a model of a run whose server is away', () => {
  it('is there, registered, once the next process has delivered it', async () => {
    const here = await house()
    await here.stop()
    const ended = await here.run(`
      await startRun()
      logParam('lr', 0.1)
      const info = ${LOG}
      console.log(JSON.stringify({ ...info, signature: undefined, ours: activeRun().runId }))
      process.exit()`)
    expect(ended.code).toBe(0)
    const info = JSON.parse(ended.stdout)
    expect(info).toMatchObject({ name: 'net', artifactPath: 'net', registeredModelName: 'churn', runId: info.ours })
    expect(info.modelUri).toBe(`runs:/${info.ours}/net`)
    expect([info.modelId, info.registeredModelVersion]).toEqual([undefined, undefined])
    // Of the outage, the start has told; the model informs.
    expect(ended.stderr.match(/is kept on disk/g)).toHaveLength(1)
    await here.start()
    expect((await here.replay()).code).toBe(0)
    const { run } = await expectWhole(here)
    expect(run?.info.runId).not.toBe(info.ours)
  })

  it('is sent while the run goes on, and leads by the id that the script knows', async () => {
    const here = await house()
    await here.stop()
    let starting: Promise<void> | undefined
    const ended = await here.run(
      `
      await startRun()
      logParam('lr', 0.1)
      const { modelUri } = ${LOG}
      console.log('logged')
      await new Promise((resolve) => process.stdin.once('data', resolve))
      process.stdin.destroy()
      await activeRun().flush()
      const client = createClient()
      const model = await client.loadModel(modelUri, { allowCode: true })
      console.log(JSON.stringify(await model.predict([{ a: 2, b: 2 }])))
      await client.close()
      await endRun()`,
      {
        onStdout(all, _, write) {
          if (all.includes('logged')) starting ??= here.start().then(() => write('go\n'))
          return starting
        },
      },
    )
    await starting
    expect(ended).toMatchObject({ code: 0, stdout: 'logged\n[{"sum":6}]\n' })
    await expectWhole(here)
  })

  it('is kept when the server goes away after the start, with all files and tables', async () => {
    const here = await house()
    let stopping: Promise<void> | undefined
    const ended = await here.run(
      `
      await startRun()
      logParam('lr', 0.1)
      await logText('before', 'before.txt')
      await activeRun().logTable([{ a: 1 }], 'table.json')
      await activeRun().flush()
      console.log('begun')
      await new Promise((resolve) => process.stdin.once('data', resolve))
      process.stdin.destroy()
      await logText('during', 'notes/during.txt')
      await activeRun().logTable([{ a: 2 }], 'table.json')
      await activeRun().logTable([{ a: 3 }], 'table.json')
      await activeRun().logInput({ name: 'iris', source: 'file:iris.csv' })
      ${LOG}
      await endRun()`,
      {
        onStdout(all, _, write) {
          if (all.includes('begun')) stopping ??= here.stop().then(() => write('go\n'))
          return stopping
        },
      },
    )
    await stopping
    expect(ended.code).toBe(0)
    expect(ended.stderr).toContain('notes/during.txt of run')
    await here.start()
    expect((await here.replay()).code).toBe(0)
    const { client, run } = await expectWhole(here)
    const runId = run?.info.runId ?? ''
    expect(run?.info.status).toBe('FINISHED')
    expect(run?.inputs?.datasetInputs).toHaveLength(1)
    expect((await client.listArtifacts(runId)).map(({ path }) => path)).toEqual([
      'before.txt',
      'net',
      'notes',
      'table.json',
    ])
    const table = await client.downloadArtifacts({ runId, path: 'table.json' })
    expect(JSON.parse(readFileSync(table, 'utf8'))).toEqual({ columns: ['a'], data: [[1], [2], [3]] })
  }, 90_000)

  it('is kept by a server that says nothing, as a file is, and the next one at once', async () => {
    const here = await house()
    const ended = await here.run(
      `
      await startRun()
      await activeRun().flush()
      console.log('begun')
      await new Promise((resolve) => process.stdin.once('data', resolve))
      process.stdin.destroy()
      logMetric('loss', 1)
      await activeRun().logModel(MODEL, { name: 'first', flavor: 'node' })
      const late = new Promise((resolve) => setTimeout(resolve, 8_000, 'waits'))
      const second = activeRun().logModel(MODEL, { name: 'second', flavor: 'node' })
      console.log(await Promise.race([late, second.then(({ name }) => name)]))
      process.kill(process.pid, 'SIGKILL')`,
      {
        onStdout(all, _, write) {
          if (all !== 'begun\n') return
          here.server!.faults.add({ on: 'all', delayMs: 600_000, times: 1_000 })
          write('go\n')
        },
      },
    )
    expect(ended.stdout).toBe('begun\nsecond\n')
    expect(ended.stderr).toContain('then logged in its turn: The server has said nothing for 10 s')
  })

  it.each(['createLoggedModel', 'artifacts', 'finalizeLoggedModel', 'createModelVersion'] as const)(
    'is made once though the process that brings it is killed at %s',
    async (on) => {
      const here = await house()
      await here.stop()
      const ended = await here.run(`
        await startRun()
        logParam('lr', 0.1)
        ${LOG}
        process.exit()`)
      expect(ended.code).toBe(0)
      await here.start()
      const skip = on === 'artifacts' ? 2 : 0
      here.server?.faults.add({ on, skip, delayMs: 1_000 })
      const killed = await here.run(
        `
        setInterval(() => console.log('.'), 20)
        await createClient().deliverSpool()`,
        {
          onStdout(_, kill) {
            if (here.server?.faults.left === 0) kill('SIGKILL')
          },
        },
      )
      expect(killed.signal).toBe('SIGKILL')
      // The request is carried out, and nobody hears the answer.
      const seen = () => here.server?.requests.filter(({ operation }) => operation === on).length ?? 0
      while (seen() <= skip) await new Promise((resolve) => setTimeout(resolve, 50))
      const before = here.server?.requests.length ?? 0
      expect((await here.replay()).code).toBe(0)
      const { info } = await expectWhole(here)
      const uploads = here.server?.requests
        .slice(before)
        .filter(({ method, url }) => method === 'PUT' && url.includes(info.modelId))
      // The files that had come are not sent again.
      if (on === 'finalizeLoggedModel') expect(uploads).toEqual([])
    },
  )

  it('is made once though the answers to its making are lost', async () => {
    const here = await house()
    await here.stop()
    await here.run(`
      await startRun()
      logParam('lr', 0.1)
      ${LOG}
      process.exit()`)
    await here.start()
    for (const on of ['createLoggedModel', 'logOutputs', 'createModelVersion'] as const)
      here.server?.faults.add({ on, break: 'swallow' })
    here.server?.faults.add({ on: 'artifacts', status: 503, skip: 3 })
    expect((await here.replay()).code).toBe(0)
    await expectWhole(here)
  })

  it('is logged though the registry refuses its version, and that is told', async () => {
    const here = await house()
    await here.stop()
    await here.run(`
      await startRun()
      logParam('lr', 0.1)
      ${LOG}
      await activeRun().logText('after', 'after.txt')
      process.exit()`)
    await here.start()
    here.server?.faults.add({
      on: 'createModelVersion',
      status: 403,
      body: '{"error_code":"PERMISSION_DENIED","message":"not yours"}',
    })
    const replayed = await here.replay()
    expect(JSON.parse(replayed.stdout)).toMatchObject([{ complete: true, refused: 1 }])
    const { client, models, versions } = await here.there()
    expect(models.map(({ status }) => status)).toEqual(['READY'])
    expect(versions).toEqual([])
    const [run] = await client.searchRuns()
    expect((await client.listArtifacts(run?.info.runId ?? '')).map(({ path }) => path)).toEqual(['after.txt', 'net'])
  })
})

describe('a model that the run’s folder cannot have', () => {
  const TRY = `.logModel(MODEL, { name: 'net', flavor: 'node' }).then(() => console.log('logged'), (error) => console.log(error.name, error.retryable, error.message))`

  it('as that was removed and a file is in its place: an error at once while the server is away, and it is logged when that is back', async () => {
    const here = await house()
    let turn: Promise<void> | undefined
    const ended = await here.run(
      `import { rmSync, writeFileSync } from 'node:fs'
      await startRun()
      await activeRun().flush()
      rmSync(process.env.CAIRN_SPOOL_DIR, { recursive: true })
      writeFileSync(process.env.CAIRN_SPOOL_DIR, '')
      console.log('begun')
      await new Promise((resolve) => process.stdin.once('data', resolve))
      logMetric('loss', 1)
      await activeRun()${TRY}
      console.log('come back')
      await new Promise((resolve) => process.stdin.once('data', resolve))
      process.stdin.destroy()
      await activeRun()${TRY}
      await endRun()`,
      {
        onStdout(all, _, write) {
          if (all.includes('come back')) return here.start().then(() => write('go\n'))
          if (all.includes('begun')) turn ??= here.stop().then(() => write('go\n'))
          return turn
        },
      },
    )
    expect(ended.stdout).toMatch(
      /^UnavailableError true .*, and the model cannot be kept on disk until then: .*spool.* was removed/m,
    )
    expect(ended.stdout).toMatch(/^logged$/m)
    expect((await here.there()).models).toMatchObject([{ name: 'net', status: 'READY' }])
  })

  it.skipIf(!mayMount())(
    'as its disk is full goes straight to the server, and needs room elsewhere for that',
    async () => {
      const here = await house()
      const temp = join(here.cwd, 'temp')
      for (const dir of [here.spoolDir, temp]) {
        mkdirSync(dir)
        expect(mount(dir)).toBe(true)
        closers.push(async () => unmount(dir))
      }
      const ended = await here.run(
        `import { writeFileSync } from 'node:fs'
      await startRun()
      await activeRun().flush()
      const fill = (dir) => {
        for (const size of [65536, 4096, 1]) try { for (let i = 0; ; i++) writeFileSync(dir + '/fill-' + size + '-' + i, Buffer.alloc(size)) } catch {}
      }
      fill(process.env.CAIRN_SPOOL_DIR)
      await activeRun()${TRY}
      fill(process.env.TMPDIR)
      await activeRun()${TRY}
      await endRun()`,
        { env: { TMPDIR: temp } },
      )
      expect(ended.stdout).toMatch(
        /^logged\nUnavailableError false Nothing can be written to .*temp: its disk is full \(ENOSPC\); make room there/,
      )
      expect((await here.there()).models).toMatchObject([{ name: 'net', status: 'READY' }])
    },
  )

  it.skipIf(process.platform === 'win32')(
    'as too many files are open is refused with that reason, and the way out',
    async () => {
      const here = await house()
      const ended = await here.run(
        `import { closeSync, openSync } from 'node:fs'
      await startRun()
      await activeRun().flush()
      const held = []
      try { for (;;) held.push(openSync('/dev/null')) } catch {}
      await activeRun()${TRY}
      for (const one of held) closeSync(one)
      await activeRun()${TRY}
      await endRun()`,
        { under: ['/bin/sh', '-c', 'ulimit -n 256; exec "$@"', 'sh'] },
      )
      const said = /^UnavailableError false .*too many files were open \(EMFILE\).*restart it/
      expect(ended.stdout.trim().split('\n')).toEqual([expect.stringMatching(said), expect.stringMatching(said)])
    },
  )
})

describe('a process that exits while its model is on its way', () => {
  it('leaves it to the next one, which goes on from there', async () => {
    const here = await house()
    await here.stop()
    let starting: Promise<void> | undefined
    const ended = await here.run(
      `
      await startRun()
      logParam('lr', 0.1)
      ${LOG}
      console.log('logged')
      setInterval(() => activeRun().stats().inFlight > 0 && activeRun().stats().delivered > 0 && process.exit(), 1)`,
      {
        onStdout(all) {
          if (all.includes('logged')) starting ??= here.start()
          return starting
        },
      },
    )
    await starting
    expect(ended.code).toBe(0)
    expect(ended.stderr).toContain('not delivered: kept on disk')
    expect((await here.replay()).code).toBe(0)
    const { run } = await expectWhole(here)
    expect(run?.info.status).toBe('FINISHED')
  })
})

describe('a run that began away from its server, taken up by the next process', () => {
  it('before anything of it has arrived is one run, and its last end counts', async () => {
    const here = await house()
    await here.stop()
    const first = await here.run(`
      const run = await startRun({ runName: 'long' })
      logParam('lr', 0.1)
      for (let i = 0; i < 3000; i++) logMetric('loss', i, i)
      console.log(run.runId)
      process.exit(1)`)
    const ours = first.stdout.trim()
    const second = await here.run(`
      const run = await startRun({ runId: '${ours}' })
      for (let i = 3000; i < 3010; i++) logMetric('loss', i, i)
      ${LOG}
      console.log(run.runId)
      process.exit(0)`)
    expect(second).toMatchObject({ code: 0, stdout: `${ours}\n` })
    expect(here.left()).toHaveLength(2)
    await here.start()
    const delivered = JSON.parse((await here.replay()).stdout)
    expect(delivered).toMatchObject([
      { runId: ours, complete: true },
      { runId: ours, complete: true },
    ])
    const { client, run } = await expectWhole(here)
    expect(run?.info).toMatchObject({ runName: 'long', status: 'FINISHED' })
    expect(await client.getMetricHistory(run?.info.runId ?? '', 'loss')).toHaveLength(3010)
  })
})
