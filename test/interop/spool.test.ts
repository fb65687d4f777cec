import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { createClient } from '../../src/index.js'
import { built } from '../support/built.js'
import { child } from '../support/child.js'
import { leftIn } from '../support/left.js'
import { tempDir } from '../support/temp-dir.js'
import { available, freePort, type Running, startMlflow } from './servers.js'

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
  for (let i = 0; i < ${COUNT}; i++) {
    logMetric('loss', i % 50 === 7 ? NaN : i === 9 ? Infinity : i / 3, i)
    if (i % 20 === 0) await new Promise((later) => setTimeout(later, 20))
  }
  setTag('done', 'yes')
  await endRun()`

describe.skipIf(!available('latest')).each(['sqlite', 'files'] as const)('a real MLflow server on %s', (store) => {
  it.each(['goes on', 'is frozen', 'is killed and started again'])('that %s has every point once', async (what) => {
    const cwd = tempDir()
    const port = await freePort()
    const options = { store, port, dir: join(cwd, 'server') }
    mkdirSync(options.dir)
    let server = await startMlflow('latest', options)
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
        server = await startMlflow('latest', options)
        running.add(server)
      }
    }
    const env = { MLFLOW_TRACKING_URI: server.url, MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true' }
    const ended = await child(script, {
      cwd,
      env,
      built: await built(),
      onStdout: (all) => {
        if (all.includes('begun')) struck ??= doStrike()
      },
    })
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
    expect(steps.sort((a, b) => a - b)).toEqual(Array.from({ length: COUNT }, (_, i) => i))
    expect(leftIn(join(cwd, 'spool'))).toEqual([])
    await client.close()
    running.delete(server)
    await server.stop()
  })
})
