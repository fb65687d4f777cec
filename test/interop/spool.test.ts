import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { createClient, type SpoolDelivery } from '../../src/index.js'
import { built } from '../support/built.js'
import { child } from '../support/child.js'
import { exitOf, recordFault } from '../support/fault-line.js'
import { leftIn } from '../support/left.js'
import { linearModule } from '../support/linear-models.js'
import { tempDir } from '../support/temp-dir.js'
import { available, freePort, type Running, startServed } from './servers.js'
import type { Environment } from './venv.js'

const running = new Set<Running>()
afterAll(async () => {
  for (const server of running) await server.stop()
})

/** A server is a group of processes: those that answer are not the one that was started. */
const strike = (server: Running, name: NodeJS.Signals): boolean => process.kill(-(server.child.pid as number), name)

const COUNT = 4000
const script = `import { startRun, logMetric, logParams, setTag, endRun } from 'CAIRN'
  await startRun({ runName: 'through' })
  logParams({ a: 1, b: 'x' })
  console.log('begun')
  let longest = 0
  for (let i = 0; i < ${COUNT}; i++) {
    const from = performance.now()
    logMetric('loss', i % 50 === 7 ? NaN : i === 9 ? Infinity : i / 3, i)
    longest = Math.max(longest, performance.now() - from)
    if (i % 20 === 0) await new Promise((later) => setTimeout(later, 20))
  }
  setTag('done', 'yes')
  console.log('longest ' + longest)
  await endRun()`

describe.each([
  ['latest', 'sqlite'],
  ['latest', 'files'],
  ['cairn', 'files'],
] as const)('a server (%s, %s)', (name, store) => {
  it.skipIf(!available(name)).each(['goes on', 'is frozen', 'is killed and started again'])(
    'that %s has every point once',
    async (what) => {
      const cwd = tempDir()
      const port = await freePort()
      const options = { store, port, dir: join(cwd, 'server') }
      mkdirSync(options.dir)
      let server = await startServed(name, options)
      running.add(server)
      let struck: Promise<void> | undefined
      const doStrike = async (): Promise<void> => {
        if (what === 'goes on') return
        await new Promise((later) => setTimeout(later, 700))
        if (what === 'is frozen') {
          strike(server, 'SIGSTOP')
          await new Promise((later) => setTimeout(later, 4000))
          strike(server, 'SIGCONT')
        } else {
          running.delete(server)
          await server.stop()
          server = await startServed(name, options)
          running.add(server)
        }
      }
      const env = { MLFLOW_TRACKING_URI: server.url, MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true' }
      const begun = performance.now()
      const ended = await child(script, {
        cwd,
        env,
        built: await built(),
        onStdout: (all) => {
          if (all.includes('begun')) struck ??= doStrike()
          return struck
        },
      })
      const seconds = (performance.now() - begun) / 1000
      await struck
      expect(ended.code).toBe(0)
      const client = createClient({ trackingUri: server.url, spoolDir: join(cwd, 'spool') })
      await client.deliverSpool()
      const [run, ...others] = await client.searchRuns()
      expect(others).toEqual([])
      expect(run?.info).toMatchObject({ runName: 'through', status: 'FINISHED' })
      expect(run?.data.params).toEqual({ a: '1', b: 'x' })
      expect(run?.data.tags.done).toBe('yes')
      const steps = (await client.getMetricHistory(run?.info.runId ?? '', 'loss')).map(({ step }) => Number(step))
      const arrived = new Set(steps).size
      const longestMs = Number(/longest (\S+)/.exec(ended.stdout)?.[1])
      const [twice, note] = [steps.length - arrived, `MLflow ${name}, ${store}`]
      recordFault({ logged: COUNT, arrived, twice, exit: exitOf(ended), longestMs, seconds, note })
      expect(steps.sort((a, b) => a - b)).toEqual(Array.from({ length: COUNT }, (_, i) => i))
      expect(leftIn(join(cwd, 'spool'))).toEqual([])
      await client.close()
      running.delete(server)
      await server.stop()
    },
  )
})

const SERVERS = [
  ['latest', 'sqlite'],
  ['latest-2', 'files'],
  ['2.9', 'files'],
] as const satisfies readonly (readonly [Environment, 'sqlite' | 'files'])[]

/** A model of many files, so that there is a middle in which to be killed. */
function manyFiles(): string {
  const model = linearModule()
  mkdirSync(join(model.dir, 'data'))
  for (let n = 0; n < 300; n++) writeFileSync(join(model.dir, 'data', `${n}.bin`), Buffer.alloc(20_000, n))
  return JSON.stringify(model)
}

describe.each(SERVERS)('a real MLflow server (%s, %s) that was away', (environment, store) => {
  it.skipIf(!available(environment))('has a model once, though the process that brings it is killed', async () => {
    const cwd = tempDir()
    const port = await freePort()
    const options = { store, port, dir: join(cwd, 'server') }
    mkdirSync(join(options.dir, 'artifacts'), { recursive: true })
    const MLFLOW_TRACKING_URI = `http://127.0.0.1:${port}`
    const env = { MLFLOW_TRACKING_URI, MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true' }
    const how = { cwd, env, built: await built() }
    const logged = await child(
      `import { startRun, logParam, logMetric, logText, logInput, logModel, setTag, setExperiment } from 'CAIRN'
      await setExperiment('far')
      const parent = await startRun({ runName: 'parent' })
      const run = await startRun({ runName: 'child', nested: true, tags: { a: 'b' } })
      logParam('lr', 0.1)
      logMetric('loss', 0.5, 3)
      await logText('hello', 'notes/hello.txt')
      await logInput({ name: 'iris', source: 'file:iris.csv' }, { context: 'training' })
      await logModel(${manyFiles()}, {
        name: 'net', flavor: 'node', inputExample: [{ a: 1, b: 2 }], params: { depth: 3 },
        registeredModelName: 'churn', stage: 'Staging', alias: 'champion',
      })
      await run.setTag('done', 'yes')
      process.exit()`,
      how,
    )
    expect(logged.code).toBe(0)

    const server = await startServed(environment, options)
    running.add(server)
    const files = () => readdirSync(join(options.dir, 'artifacts'), { recursive: true }).length
    const killed = await child(
      `import { createClient } from 'CAIRN'
      setInterval(() => console.log('.'), 5)
      await createClient().deliverSpool()`,
      {
        ...how,
        onStdout: (_, kill) => {
          if (files() > 50) kill('SIGKILL')
        },
      },
    )
    expect(killed.signal).toBe('SIGKILL')
    const client = createClient({ trackingUri: server.url, cacheDir: join(cwd, 'cache') })
    expect((await client.searchModelVersions()).length).toBe(0)

    const brought = await child(
      `import { createClient } from 'CAIRN'
      const done = await createClient().deliverSpool()
      console.log(JSON.stringify(done))
      process.exit()`,
      how,
    )
    const done: SpoolDelivery[] = JSON.parse(brought.stdout)
    expect(done.map(({ complete, refused }) => [complete, refused])).toEqual(done.map(() => [true, 0]))
    expect(leftIn(join(cwd, 'spool'))).toEqual([])
    const runs = await client.searchRuns({ experimentNames: ['far'] })
    const [up, down] = ['parent', 'child'].map((name) => runs.find(({ info }) => info.runName === name))
    expect(runs).toHaveLength(2)
    expect(runs.map(({ info }) => info.status)).toEqual(['FINISHED', 'FINISHED'])
    expect(down?.data).toMatchObject({ params: { lr: '0.1' }, metrics: { loss: 0.5 } })
    expect(down?.data.tags).toMatchObject({ a: 'b', done: 'yes', 'mlflow.parentRunId': up?.info.runId })
    expect(down?.inputs?.datasetInputs).toHaveLength(1)
    const runId = down?.info.runId ?? ''
    expect((await client.listArtifacts(runId)).map(({ path }) => path)).toEqual(['net', 'notes'])

    if (environment === 'latest') {
      const models = await client.searchLoggedModels({ experimentIds: [down?.info.experimentId ?? ''] })
      expect(models).toMatchObject([{ name: 'net', status: 'READY', params: { lr: '0.1', depth: '3' } }])
    } else {
      const history = JSON.parse(down?.data.tags['mlflow.log-model.history'] ?? '[]')
      expect(history).toMatchObject([{ run_id: runId, artifact_path: 'net' }])
    }
    const versions = await client.searchModelVersions()
    expect(versions).toMatchObject([{ name: 'churn', version: '1', currentStage: 'Staging', runId }])
    expect((await client.getStageHistory('churn')).map(({ to, alias }) => alias ?? to)).toEqual(['Staging', 'champion'])
    const model = await client.loadModel('models:/churn@champion', { allowCode: true, replay: true })
    expect(await model.predict([{ a: 1, b: 1 }])).toEqual([{ sum: 3 }])
    const kept = readdirSync(model.info.path, { recursive: true, encoding: 'utf8' })
    expect(kept.filter((path) => path.endsWith('.bin'))).toHaveLength(300)
    await model.dispose()
    await client.close()
    running.delete(server)
    await server.stop()
  })

  it.skipIf(!available(environment))('and is frozen in the middle of a run has its files and its model', async () => {
    const cwd = tempDir()
    mkdirSync(join(cwd, 'server'))
    const server = await startServed(environment, { store, dir: join(cwd, 'server') })
    running.add(server)
    const env = { MLFLOW_TRACKING_URI: server.url, MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true' }
    let step = 0
    const ended = await child(
      `import { startRun, logParam, logMetric, logText, logTable, logModel, endRun, flush } from 'CAIRN'
      await startRun()
      logParam('lr', 0.1)
      await logTable([{ n: 1 }], 'table.json')
      await flush()
      console.log('begun')
      await new Promise((go) => process.stdin.once('data', go))
      for (let i = 0; i < 100; i++) logMetric('loss', i, i)
      await logText('frozen', 'frozen.txt')
      await logTable([{ n: 2 }], 'table.json')
      const info = await logModel(${JSON.stringify(linearModule())}, { name: 'net', flavor: 'node', registeredModelName: 'cold' })
      console.log('kept ' + info.modelUri)
      await new Promise((go) => process.stdin.once('data', go))
      process.stdin.destroy()
      await flush()
      await endRun()`,
      {
        cwd,
        env,
        built: await built(),
        onStdout: (all, _, write) => {
          if (step === 0 && all.includes('begun')) {
            step = 1
            strike(server, 'SIGSTOP')
            write('go\n')
          }
          if (step === 1 && all.includes('kept runs:/')) {
            step = 2
            strike(server, 'SIGCONT')
            write('go\n')
          }
        },
      },
    )
    expect(ended.code).toBe(0)
    expect(step).toBe(2)
    const client = createClient({ trackingUri: server.url, cacheDir: join(cwd, 'cache') })
    const [run, ...others] = await client.searchRuns()
    expect(others).toEqual([])
    const runId = run?.info.runId ?? ''
    expect(run?.info.status).toBe('FINISHED')
    expect(await client.getMetricHistory(runId, 'loss')).toHaveLength(100)
    expect((await client.listArtifacts(runId)).map(({ path }) => path)).toEqual(['frozen.txt', 'net', 'table.json'])
    const table = await client.downloadArtifacts({ runId, path: 'table.json' })
    expect(JSON.parse(readFileSync(table, 'utf8')).data).toEqual([[1], [2]])
    expect(await client.searchModelVersions()).toMatchObject([{ name: 'cold', version: '1', runId }])
    const model = await client.loadModel('models:/cold/1', { allowCode: true })
    expect(await model.predict([{ a: 1, b: 1 }])).toEqual([{ sum: 3 }])
    await model.dispose()
    expect(leftIn(join(cwd, 'spool'))).toEqual([])
    await client.close()
    running.delete(server)
    await server.stop()
  })
})
