import { mkdirSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Auth } from '../../src/http/auth.js'
import { sender } from '../../src/http/send.js'
import { type ClientOptions, createClient, PermissionDeniedError, UnauthenticatedError } from '../../src/index.js'
import { startTestServer, type TestServer } from '../../src/testing/index.js'
import { answering, asJson, rejection } from '../support/answering.js'
import { tempDir } from '../support/temp-dir.js'

const get = { method: 'GET', path: '/x' } as const
const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const close of closers.splice(0).reverse()) await close()
})

/** A server that takes one token, which may change. */
async function door(first: string, status = 401) {
  let token = first
  const server = await answering(({ headers }, response) =>
    asJson(response, {}, headers.authorization === `Bearer ${token}` ? 200 : status),
  )
  const change = (to: string) => {
    token = to
  }
  return { ...server, change }
}

describe('credentials that a server takes no more', () => {
  it.each([401, 403])(
    'are read again after a %i, and the request is made once more with the new ones',
    async (status) => {
      const { url, seen, change } = await door('old', status)
      let now: Auth = { token: 'old' }
      let read = 0
      const renew = async () => {
        read++
        return now
      }
      const send = sender({ url, auth: now, renew })
      await send.text(get)
      change('new')
      now = { token: 'new' }
      expect((await send.text({ method: 'PUT', path: '/f', body: new Blob(['x']) })).status).toBe(200)
      expect((await send.stream(get)).body).toBeDefined()
      expect(read).toBe(1)
      expect(seen.map(({ method, body }) => method + body)).toEqual(['GET', 'PUTx', 'PUTx', 'GET'])
    },
  )

  it('that are still the same are the end of it: one request, one look', async () => {
    const { url, seen } = await door('other')
    const renew = vi.fn(async () => ({ token: 'old' }))
    const send = sender({ url, auth: { token: 'old' }, renew })
    for (const round of [1, 2]) {
      expect(await rejection(send.text(get))).toBeInstanceOf(UnauthenticatedError)
      expect(seen).toHaveLength(round)
      expect(renew).toHaveBeenCalledTimes(round)
    }
  })

  it('that are other ones and no better are tried once', async () => {
    const { url, seen } = await door('third')
    const send = sender({ url, auth: { token: 'old' }, renew: async () => ({ token: 'new' }) })
    expect(await rejection(send.text(get))).toBeInstanceOf(UnauthenticatedError)
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer old', 'Bearer new'])
  })

  it('are read once for all requests that are refused together', async () => {
    const { url, seen } = await door('new')
    const renew = vi.fn(async () => ({ token: 'new' }))
    const send = sender({ url, auth: { token: 'old' }, renew })
    const answers = await Promise.all(Array.from({ length: 8 }, () => send.text(get)))
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200))
    expect(renew).toHaveBeenCalledTimes(1)
    expect(seen.length).toBeLessThanOrEqual(16)
  })

  it('that cannot be read again leave the refusal, and a warning without them', async () => {
    const { url } = await door('new')
    const warned: string[] = []
    const renew = () => Promise.reject(new Error('the file is gone'))
    const send = sender({ url, auth: { token: 'old' }, renew, warn: (line) => void warned.push(line) })
    expect(await rejection(send.text(get))).toBeInstanceOf(UnauthenticatedError)
    expect(warned).toEqual(['The credentials cannot be read again: the file is gone'])
  })

  it('of a function are asked for once more after a 401, and not after a 403', async () => {
    const auth = vi.fn(() => ({ authorization: 'Bearer x' }))
    const shut = await door('y')
    expect(await rejection(sender({ url: shut.url, auth }).text(get))).toBeInstanceOf(UnauthenticatedError)
    expect(auth).toHaveBeenCalledTimes(2)
    const forbidden = await door('y', 403)
    expect(await rejection(sender({ url: forbidden.url, auth }).text(get))).toBeInstanceOf(PermissionDeniedError)
    expect(auth).toHaveBeenCalledTimes(3)
  })
})

type Credentials = NonNullable<Parameters<typeof startTestServer>[0]>['credentials']

/** A script's client at a server whose credentials change while it works. */
async function rotating(first: Credentials, second: Credentials, trackingUri?: (url: string) => string) {
  const dir = tempDir()
  let server: TestServer = await startTestServer({ dir, credentials: first })
  closers.push(() => server.close())
  const port = Number(new URL(server.url).port)
  const connect = (options: ClientOptions = {}) => {
    const uri = trackingUri?.(server.url) ?? server.url
    const client = createClient({ trackingUri: uri, spoolDir: join(tempDir(), 'spool'), ...options })
    closers.push(() => client.close())
    return client
  }
  const rotate = async () => {
    await server.close()
    server = await startTestServer({ dir, port, credentials: second })
  }
  return { connect, rotate, url: server.url }
}

/** All ways to the server: searches, a run with points and a file. */
async function works(client: ReturnType<typeof createClient>): Promise<void> {
  await client.searchExperiments()
  const run = await client.startRun()
  run.logMetric('loss', 1)
  await run.logText('hello', 'a.txt')
  await run.flush()
  await run.end()
  expect((await client.getRun(run.runId)).info.status).toBe('FINISHED')
}

describe('a script that runs while its credentials are changed', () => {
  it('in the environment goes on with the new ones, on every way', async () => {
    vi.stubEnv('MLFLOW_TRACKING_TOKEN', 'old')
    const { connect, rotate } = await rotating({ token: 'old' }, { token: 'new' })
    const client = connect()
    await works(client)
    await rotate()
    await expect(client.searchExperiments()).rejects.toThrow(UnauthenticatedError)
    vi.stubEnv('MLFLOW_TRACKING_TOKEN', 'new')
    await works(client)
  })

  it('in ~/.mlflow/credentials goes on with the new ones', async () => {
    const home = tempDir()
    vi.stubEnv('HOME', home)
    expect(homedir()).toBe(home)
    const file = join(home, '.mlflow', 'credentials')
    mkdirSync(dirname(file))
    const write = (password: string) =>
      writeFileSync(file, `[mlflow]\nmlflow_tracking_username = ann\nmlflow_tracking_password = ${password}\n`)
    write('old')
    const { connect, rotate } = await rotating(
      { username: 'ann', password: 'old' },
      { username: 'ann', password: 'new' },
    )
    const client = connect()
    await works(client)
    await rotate()
    write('new')
    await works(client)
  })

  it('in ~/.databrickscfg goes on with the new ones', async () => {
    const file = join(tempDir(), 'databrickscfg')
    vi.stubEnv('DATABRICKS_CONFIG_FILE', file)
    const { connect, rotate, url } = await rotating({ token: 'old' }, { token: 'new' }, () => 'databricks://ml')
    const write = (token: string) =>
      writeFileSync(file, `[DEFAULT]\nhost = http://other\n[ml]\nhost = ${url}/\ntoken = ${token}\n`)
    write('old')
    const client = connect()
    await works(client)
    await rotate()
    write('new')
    await works(client)
  })

  it('by a function of its own goes on too', async () => {
    let token = 'old'
    const { connect, rotate } = await rotating({ token: 'old' }, { token: 'new' })
    const client = connect({ auth: async () => ({ authorization: `Bearer ${token}` }) })
    await works(client)
    await rotate()
    token = 'new'
    await works(client)
  })

  it('but was given others by an option keeps to those', async () => {
    vi.stubEnv('MLFLOW_TRACKING_TOKEN', 'new')
    const { connect, rotate } = await rotating({ token: 'old' }, { token: 'new' })
    const client = connect({ auth: { token: 'old' } })
    await client.searchExperiments()
    await rotate()
    await expect(client.searchExperiments()).rejects.toThrow(UnauthenticatedError)
  })

  it('by a function that fails for a while loses nothing that was logged', async () => {
    let isDown = false
    const auth = async () => {
      if (isDown) throw new Error('the token service is away')
      return { authorization: 'Bearer old' }
    }
    const { connect } = await rotating({ token: 'old' }, { token: 'old' })
    const client = connect({ auth })
    const run = await client.startRun()
    isDown = true
    for (let i = 0; i < 50; i++) run.logMetric('loss', i, i)
    run.logParam('lr', 1)
    await expect(run.flush({ timeoutMs: 200 })).rejects.toThrow()
    expect(run.stats()).toMatchObject({ delivered: 0, refused: 0 })
    isDown = false
    await run.flush()
    expect(run.stats()).toMatchObject({ delivered: 51, refused: 0 })
    await run.end()
  })
})
