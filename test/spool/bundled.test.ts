import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { built } from '../support/built.js'
import { bundle, hasBundler } from '../support/bundle.js'
import { stand } from '../support/spool-child.js'

const COUNT = 2000
const made: string[] = []
afterAll(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true })
})

/** The library without the file of the delivering thread, as a bundler leaves it. */
async function withoutThread(): Promise<string> {
  const whole = dirname(await built())
  const dir = mkdtempSync(join(dirname(whole), 'cairn-bundled-'))
  made.push(dir)
  cpSync(whole, dir, { recursive: true, filter: (path) => !path.endsWith('spool-worker.js') })
  return join(dir, 'index.js')
}

const LOG = `const clients = [createClient(OPTIONS), createClient(OPTIONS)]
  for (const client of clients) {
    const run = await client.startRun()
    for (let i = 0; i < ${COUNT}; i++) run.logMetric('loss', i, i)
    await run.end(); await client.close()
  }`

it('without the thread’s file all is delivered from the main thread, which is told once', async () => {
  const at = await stand()
  const ended = await at.run(LOG.replaceAll('OPTIONS', ''), { built: await withoutThread() })
  expect((await at.outcome(ended)).steps).toHaveLength(COUNT)
  expect(ended.code).toBe(0)
  expect(ended.stderr.match(/spool-worker\.js of cairn-ml is not beside/g)).toHaveLength(1)
  await at.stop()
})

it('with an auth function the same is told to whoever asks for it, and is no warning', async () => {
  const at = await stand()
  const options = "{ auth: () => ({ authorization: 'Bearer x' }) }"
  for (const level of ['warn', 'info']) {
    const ended = await at.run(LOG.replaceAll('OPTIONS', options), { env: { CAIRN_LOG_LEVEL: level } })
    expect((await at.outcome(ended)).steps).toHaveLength(COUNT)
    const said = ended.stderr.match(/cannot go to another thread/g) ?? []
    expect(said).toHaveLength(level === 'info' ? 1 : 0)
  }
  await at.stop()
})

it.skipIf(!hasBundler)('in the one file that a bundler makes it says so, and works', async () => {
  const at = await stand()
  const index = await withoutThread()
  const out = join(dirname(index), 'bundle.mjs')
  const readme = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8')
  const [, banner] = /^`(import \{ createRequire .*)`\.$/m.exec(readme) ?? []
  bundle(index, out, '--format=esm', `--banner:js=${banner};`)
  const ended = await at.run(LOG.replaceAll('OPTIONS', ''), { built: out })
  expect(ended.stderr).not.toMatch(/Error/)
  expect(ended.code).toBe(0)
  expect((await at.outcome(ended)).steps).toHaveLength(COUNT)
  expect(ended.stderr.match(/spool-worker\.js of cairn-ml is not beside/g)).toHaveLength(1)
  await at.stop()
})

it.skipIf(!hasBundler)(
  'a bundle that cannot load what it needs fails as it starts, says the way out, and keeps nothing',
  async () => {
    const at = await stand()
    const index = await withoutThread()
    const out = join(dirname(index), 'bundle.mjs')
    bundle(index, out, '--format=esm')
    const ended = await at.run(
      `await startRun().catch((error) => console.log(JSON.stringify({ ...error, message: error.message })))`,
      {
        built: out,
      },
    )
    const error = JSON.parse(ended.stdout.split('\n')[0] ?? '') as { code: string; retryable: boolean; message: string }
    expect(error).toMatchObject({ code: 'NETWORK_ERROR', retryable: false })
    expect(error.message).toMatch(/Dynamic require of .* is not supported; .*leave cairn-ml or undici external/)
    expect(at.left()).toEqual([])
    await at.stop()
  },
)
