import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { startTestServer } from '../../src/testing/index.js'
import { answering, asJson } from '../support/answering.js'
import { built } from '../support/built.js'
import { child } from '../support/child.js'
import { forwardProxy } from '../support/forward-proxy.js'
import { tempDir } from '../support/temp-dir.js'

const canary = (where: string) => `c4nary-${where}-5ecret`
const WHERES = [
  'url',
  'name',
  'token',
  'password',
  'file',
  'databricks',
  'proxy',
  'header',
  'context',
  'function',
  'query',
]
const basic = (user: string, where: string) => Buffer.from(`${user}:${canary(where)}`).toString('base64')
const SECRETS = [
  ...WHERES.flatMap((where) => [canary(where), Buffer.from(canary(where)).toString('base64')]),
  ...['url', 'password', 'file', 'proxy'].map((where) => basic('ann', where)),
  Buffer.from(`${canary('name')}:`).toString('base64'),
]

/** A server that lets runs be made, and answers points, parameters and files with all that it was sent. */
async function echoing() {
  const behind = await startTestServer()
  closers.push(() => behind.close())
  return answering(async ({ method, url, headers, body }, response) => {
    const who = Buffer.from(headers.authorization?.split(' ')[1] ?? '', 'base64').toString('utf8')
    const echo = `${who} ${method} ${url} ${JSON.stringify(headers)} ${Object.values(headers).join(' ')}`
    if (/log-batch/.test(url)) return asJson(response, { error_code: 'BAD_REQUEST', message: echo }, 400)
    if (/mlflow-artifacts/.test(url)) return void response.writeHead(502, { 'x-request-id': 'r' }).end(echo)
    if (/runs\/search/.test(url)) return asJson(response, { error_code: 'INTERNAL_ERROR', message: echo }, 500)
    if (/registered-models/.test(url))
      return void response.writeHead(302, { location: `http://ann:${canary('url')}@x/?t=${canary('query')}` }).end()
    if (/model-versions/.test(url)) return void response.socket?.end(`not HTTP ${echo}`)
    const got = await fetch(behind.url + url, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body ? { body } : {}),
    })
    response.writeHead(got.status, { 'content-type': 'application/json' }).end(await got.text())
  })
}

const closers: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const close of closers) await close()
})

const SCRIPT = `
import { inspect } from 'node:util'
import * as cairn from 'CAIRN'
const show = (thing) =>  console.log(inspect(thing, { depth: 12, showHidden: true, getters: true }), String(thing?.stack ?? ''), JSON.stringify(thing))
const headers = { 'x-api-key': process.env.KEY }
const auth = process.env.SIGN && (() => ({ authorization: 'Custom ' + process.env.SIGN }))
const options = { headers, ...(auth ? { auth } : {}), retry: { maxRetries: 1 } }
let client
try { client = cairn.createClient(options) } catch (error) { show(error); process.exit(0) }
for (const event of ['retry', 'spooled', 'refused', 'recovered']) client.on(event, show)
show(client)
try {
  const run = await client.startRun({ runName: 'r' })
  show(run)
  run.logMetric('loss', 1, 1)
  run.logParam('lr', 0.1)
  run.setTag('t', 'x')
  await run.logText('hello', 'a.txt').catch(show)
  await run.flush({ timeoutMs: 1500 }).catch(show)
  show(run.stats())
  show(run.url)
} catch (error) { show(error) }
for (const attempt of [
  () => client.searchRuns(), () => client.searchRegisteredModels(), () => client.searchModelVersions(),
  () => client.getExperiment('1'), () => client.listArtifacts('a'.repeat(32)), () => client.loadModel('models:/m/1'),
]) await attempt().then(show, show)
show(await client.doctor())
show(await client.deliverSpool({ patienceMs: 500 }).catch((error) => error))
// The run is open still: what its end says is printed as well, and what is left stays in the spool.
process.exit(0)
`

/** All that a folder holds, names included. */
const kept = (dir: string): string =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name)
      return entry.isFile() ? `${path}\n${readFileSync(path, 'latin1')}` : path
    })
    .join('\n')

const CASES: [string, (url: string) => Record<string, string> | Promise<Record<string, string>>][] = [
  ['the address', (url) => ({ MLFLOW_TRACKING_URI: url.replace('//', `//ann:${canary('url')}@`) })],
  ['the user name of the address', (url) => ({ MLFLOW_TRACKING_URI: url.replace('//', `//${canary('name')}@`) })],
  ['the address of a server that is away', () => ({ MLFLOW_TRACKING_URI: `http://ann:${canary('url')}@127.0.0.1:9` })],
  ['an address that is none', () => ({ MLFLOW_TRACKING_URI: `http://ann:${canary('url')}@host:port` })],
  ['an address with a query', (url) => ({ MLFLOW_TRACKING_URI: `${url}/?token=${canary('query')}` })],
  ['a token', (url) => ({ MLFLOW_TRACKING_URI: url, MLFLOW_TRACKING_TOKEN: canary('token') })],
  [
    'a token with a line break in it',
    (url) => ({ MLFLOW_TRACKING_URI: url, MLFLOW_TRACKING_TOKEN: `${canary('token')}\nx` }),
  ],
  [
    'a password',
    (url) => ({
      MLFLOW_TRACKING_URI: url,
      MLFLOW_TRACKING_USERNAME: 'ann',
      MLFLOW_TRACKING_PASSWORD: canary('password'),
    }),
  ],
  ['a file', (url) => ({ MLFLOW_TRACKING_URI: url })],
  [
    'a Databricks token',
    (url) => ({ MLFLOW_TRACKING_URI: 'databricks', DATABRICKS_HOST: url, DATABRICKS_TOKEN: canary('databricks') }),
  ],
  ['a function', (url) => ({ MLFLOW_TRACKING_URI: url, SIGN: canary('function') })],
  [
    'a proxy',
    async (url) => ({
      MLFLOW_TRACKING_URI: url,
      HTTP_PROXY: `http://ann:${canary('proxy')}@${(await forwardProxy()).at}`,
    }),
  ],
  [
    'a proxy that is none',
    (url) => ({ MLFLOW_TRACKING_URI: url, ALL_PROXY: `socks5://ann:${canary('proxy')}@127.0.0.1:1` }),
  ],
  [
    'a run context that is no JSON',
    (url) => ({ MLFLOW_TRACKING_URI: url, MLFLOW_RUN_CONTEXT: `{"a": ${canary('context')}` }),
  ],
]

it.each(CASES)('a secret in %s is in nothing that is printed, thrown or kept', { timeout: 60_000 }, async (_, env) => {
  const cwd = tempDir()
  const home = tempDir()
  mkdirSync(join(home, '.mlflow'))
  const credentials = `[mlflow]\nmlflow_tracking_username = ann\nmlflow_tracking_password = ${canary('file')}\n`
  writeFileSync(join(home, '.mlflow', 'credentials'), credentials)
  writeFileSync(join(home, '.databrickscfg'), `[other]\nhost = x\ntoken = ${canary('databricks')}\n`)
  const server = await echoing()
  const ended = await child(SCRIPT, {
    cwd,
    built: await built(),
    env: { HOME: home, KEY: canary('header'), CAIRN_LOG_LEVEL: 'trace', ...(await env(server.url)) },
  })
  expect(ended.code, ended.stderr).toBe(0)
  const all = `${ended.stdout}\n${ended.stderr}\n${kept(cwd)}`
  expect(all.length).toBeGreaterThan(300)
  if (server.seen.length > 0) {
    // It was sent, came back, and what came back was written down.
    expect(JSON.stringify(server.seen)).toContain(canary('header'))
    expect(all).toMatch(/refused\/.*\.jsonl/)
    expect(all).toContain('[hidden]')
  }
  for (const secret of SECRETS)
    expect(all.includes(secret), `…${all.slice(all.indexOf(secret) - 300, all.indexOf(secret) + 100)}`).toBe(false)
})
