import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Check, createClient } from '../src/index.js'
import { startTestServer } from '../src/testing/index.js'
import { tempDir } from './support/temp-dir.js'

const patient = (trackingUri: string, more = {}) =>
  createClient({ trackingUri, cacheDir: join(tempDir(), 'cache'), retry: { maxRetries: 0 }, ...more })
const named = (checks: readonly Check[], name: string) => checks.find((check) => check.name === name)

describe('doctor', () => {
  it('finds a local store well, and makes nothing by looking', async () => {
    const root = join(tempDir(), 'mlruns')
    const before = await patient(root).doctor()
    expect(before.map(({ status }) => status)).not.toContain('fail')
    expect(existsSync(root)).toBe(false)
    const client = patient(root)
    await (await client.startRun()).end()
    expect(named(await client.doctor(), 'store')).toMatchObject({ status: 'ok', detail: expect.stringContaining('1 ') })
  })

  it('finds a server well', async () => {
    await using server = await startTestServer()
    const checks = await patient(server.url).doctor()
    expect(checks.map(({ name, status }) => [name, status])).toEqual([
      ['tracking URI', 'ok'],
      ['reachable', 'ok'],
      ['proxy', 'ok'],
      ['clock', 'ok'],
      ['server', 'ok'],
      ['authentication and host check', 'ok'],
      ['artifacts', 'ok'],
      ['cache', 'ok'],
      ['spool', expect.stringMatching(/ok|warn/)],
    ])
    expect(named(checks, 'server')?.detail).toMatch(/^MLflow 3\./)
    expect(named(checks, 'artifacts')?.detail).toBe('through the server')
  })

  it('names what is wrong with a server, and the fix, and asks it nothing more', async () => {
    const checks = await patient('http://127.0.0.1:9').doctor()
    expect(named(checks, 'reachable')).toMatchObject({ status: 'fail', fix: expect.stringContaining('runs') })
    expect(named(checks, 'artifacts')).toMatchObject({ status: 'skip' })
    expect(named(checks, 'cache')).toMatchObject({ status: 'ok' })
  })

  it('tells missing credentials from a missing server', async () => {
    await using server = await startTestServer({ credentials: { username: 'ada', password: 'secret' } })
    const checks = await patient(server.url).doctor()
    expect(named(checks, 'reachable')).toMatchObject({ status: 'ok' })
    expect(named(checks, 'authentication and host check')).toMatchObject({
      status: 'fail',
      fix: expect.stringContaining('MLFLOW_TRACKING_USERNAME'),
    })
    const known = await patient(server.url, { auth: { username: 'ada', password: 'secret' } }).doctor()
    expect(JSON.stringify(known)).not.toContain('secret')
    expect(named(known, 'authentication and host check')).toMatchObject({ status: 'ok' })
  })

  it('says what waits in the spool', async () => {
    const { CAIRN_SPOOL_DIR } = process.env
    const dir = tempDir()
    process.env.CAIRN_SPOOL_DIR = dir
    try {
      mkdirSync(join(dir, 'v1'))
      writeFileSync(join(dir, 'v1/segment'), 'x'.repeat(10))
      expect(named(await patient(join(dir, 'mlruns')).doctor(), 'spool')).toMatchObject({
        status: 'warn',
        fix: expect.stringContaining('cairn-ml sync'),
      })
    } finally {
      if (CAIRN_SPOOL_DIR === undefined) delete process.env.CAIRN_SPOOL_DIR
      else process.env.CAIRN_SPOOL_DIR = CAIRN_SPOOL_DIR
    }
  })
})
