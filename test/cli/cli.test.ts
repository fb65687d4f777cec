import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { createClient } from '../../src/client.js'
import { tempDir } from '../support/temp-dir.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const cwd = tempDir()
let runId = ''

/** The program as a user starts it, in a folder with a `mlruns`; nothing in the environment says where things are. */
const start = (...words: string[]) => startInto('pipe', ...words) as ChildProcessWithoutNullStreams

function startInto(stdout: 'pipe' | number, ...words: string[]) {
  const clean = Object.entries(process.env).filter(([name]) => !/^(MLFLOW|CAIRN|VITEST|NODE_OPTIONS)/.test(name))
  const env = {
    ...Object.fromEntries(clean),
    TSX_TSCONFIG_PATH: join(root, 'tsconfig.json'),
    CAIRN_CACHE_DIR: join(cwd, '.cache'),
  }
  const main = join(root, 'src', 'cli', 'main.ts')
  return spawn(process.execPath, ['--import', import.meta.resolve('tsx'), main, ...words], {
    cwd,
    env,
    stdio: ['pipe', stdout, 'pipe'],
  })
}

async function cairn(...words: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = start(...words)
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk) => (out += chunk))
  child.stderr.on('data', (chunk) => (err += chunk))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, out, err }
}

beforeAll(async () => {
  await using client = createClient({ trackingUri: join(cwd, 'mlruns') })
  await client.setExperiment('churn')
  for (const [runName, auc] of [
    ['low', 0.5],
    ['high', 0.9],
    ['none', Number.NaN],
  ] as const) {
    const run = await client.startRun({ runName, params: { depth: 3 }, tags: { team: 'growth' } })
    run.logMetric('auc', auc)
    await run.logText('flavors: {}\n', 'net/MLmodel')
    await run.logText('bytes', 'net/model.bin')
    await run.end()
    if (runName === 'high') runId = run.runId
  }
  for (const version of ['1', '2']) {
    await client.registerModel(`runs:/${runId}/net`, 'churn')
    await client.transitionStage('churn', version, 'Production', {
      archiveExisting: true,
      by: 'ada',
      comment: 'better',
    })
  }
  await client.setRegisteredModelAlias('churn', 'champion', '2')
})

describe('runs', () => {
  it('list shows name, status and metrics, the order and filter as asked', async () => {
    const words = ['-e', 'churn', '-f', 'metrics.auc > 0.1', '-o', 'metrics.auc DESC']
    const { code, out, err } = await cairn('runs', 'list', ...words)
    expect([code, err]).toEqual([0, ''])
    const [head, first, second, ...rest] = out.trimEnd().split('\n')
    expect(head).toMatch(/^RUN ID +NAME +STATUS +STARTED +TOOK +METRICS$/)
    expect(first).toMatch(new RegExp(`^${runId}  high  FINISHED  \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d  \\S+s +auc=0.9$`))
    expect(second).toMatch(/ low .* auc=0.5$/)
    expect(rest).toEqual([])
    expect(out).not.toContain('\u001b')
  })

  it('list says that there are more', async () => {
    const { out, err } = await cairn('runs', 'list', '--max', '2')
    expect(out.trimEnd().split('\n')).toHaveLength(3)
    expect(err).toBe('The first 2 are shown; --max 4 shows more.\n')
  })

  it('list --json is what searchRuns answers, with a word for NaN', async () => {
    const { code, out } = await cairn('runs', 'list', '--json', '-f', "run_name = 'none'")
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject([
      { info: { runName: 'none', status: 'FINISHED' }, data: { metrics: { auc: 'NaN' }, params: { depth: '3' } } },
    ])
  })

  it('show tells all about one', async () => {
    const { code, out } = await cairn('runs', 'show', runId)
    expect(code).toBe(0)
    for (const line of [/^Name +high$/m, /^Parameters\n {2}depth {2}3$/m, /^ {2}auc {2}0.9$/m, /^ {2}team +growth$/m])
      expect(out).toMatch(line)
    expect(out).toMatch(/^Files\n {2}net\/$/m)
    const asJson = JSON.parse((await cairn('runs', 'show', runId, '--json')).out)
    expect(asJson).toMatchObject({ info: { runId }, artifacts: [{ path: 'net', isDir: true }] })
  })
})

describe('models', () => {
  it('list shows where versions stand', async () => {
    const { code, out } = await cairn('models', 'list')
    expect(code).toBe(0)
    expect(out).toMatch(/^churn {2}2 +(?:Production: 2, Archived: 1|Archived: 1, Production: 2), @champion: 2 /m)
  })

  it('show has versions and moves', async () => {
    const { code, out } = await cairn('models', 'show', 'churn')
    expect(code).toBe(0)
    expect(out).toMatch(new RegExp(`^2 +Production +champion .* ${runId}$`, 'm'))
    expect(out).toMatch(/ 2 +None → Production +ada +better$/m)
    const asJson = JSON.parse((await cairn('models', 'show', 'churn', '--json')).out)
    expect(asJson).toMatchObject({ name: 'churn', aliases: { champion: '2' } })
    expect(asJson.versions[0]).toMatchObject({ version: '2', aliases: ['champion'] })
    expect(asJson.history).toHaveLength(3)
  })

  it('show takes a name with both kinds of quotes, which no filter can say', async () => {
    const name = `it's "the" one`
    await using client = createClient({ trackingUri: join(cwd, 'quotes') })
    const run = await client.startRun({})
    await run.logText('flavors: {}\n', 'net/MLmodel')
    await run.end()
    for (const model of ['other', name]) await client.registerModel(`runs:/${run.runId}/net`, model)
    const { out } = await cairn('models', 'show', name, '--json', '--tracking-uri', join(cwd, 'quotes'))
    expect(JSON.parse(out).versions).toMatchObject([{ name, version: '1' }])
  })

  it('pull fetches the files, and says where to', async () => {
    const { code, out } = await cairn('models', 'pull', 'models:/churn/Production', 'model', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toEqual({ uri: 'models:/churn/Production', path: join(cwd, 'model'), bytes: 17 })
    expect(readFileSync(join(cwd, 'model', 'model.bin'), 'utf8')).toBe('bytes')
    expect((await cairn('models', 'pull', 'models:/churn@champion', 'other')).out).toBe(`${join(cwd, 'other')}\n`)
  })
})

describe('the cache', () => {
  it('is shown and pruned', async () => {
    expect((await cairn('cache', 'info')).out).toBe(`${join(cwd, '.cache')}: 0 models, 0 B\n`)
    expect(JSON.parse((await cairn('cache', 'prune', '--max-bytes', '0', '--json')).out)).toMatchObject({ removed: 0 })
  })
})

describe('what goes wrong', () => {
  it('exits with 1 and one line when the operation fails', async () => {
    const { code, out, err } = await cairn('runs', 'show', '0'.repeat(32))
    expect([code, out]).toEqual([1, ''])
    expect(err).toMatch(/^error: .*0{32}.*\n$/)
    const typo = await cairn('runs', 'list', '-e', 'chrun')
    expect([typo.code, typo.err]).toEqual([1, 'error: There is no experiment "chrun"; there are "churn", "Default"\n'])
  })

  it('shows where a filter broke, below the filter', async () => {
    const { err } = await cairn('runs', 'list', '--filter', 'metrics.auc >> 3')
    expect(err.split('\n').slice(0, 3)).toEqual([
      expect.stringMatching(/^error: .*column 13/),
      '  metrics.auc >> 3',
      `${' '.repeat(14)}^`,
    ])
  })

  it('says the code with --json', async () => {
    const { code, out } = await cairn('models', 'show', 'nobody', '--json')
    expect(code).toBe(1)
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'RESOURCE_DOES_NOT_EXIST', retryable: false } })
    const address = await cairn('runs', 'list', '--json', '--tracking-uri', 'sqlite:///mlflow.db')
    expect(JSON.parse(address.out).error.code).toBe('INVALID_PARAMETER_VALUE')
    const wrong = await cairn('runs', 'list', '--json', '--max', '0')
    expect(wrong.code).toBe(2)
    expect(wrong.err).toMatch(/^error: option .*whole number from 1/)
    expect(JSON.parse(wrong.out)).toEqual({
      error: {
        code: 'INVALID_PARAMETER_VALUE',
        message: expect.stringMatching(/^option .*whole number from 1/),
        retryable: false,
      },
    })
  })

  it('gives up on a server that nobody started, and says which', async () => {
    const { code, err } = await cairn('models', 'list', '--tracking-uri', 'http://127.0.0.1:9')
    expect([code, err]).toEqual([1, expect.stringMatching(/^error: .*http:\/\/127\.0\.0\.1:9.*\n$/)])
  })

  it('looks at the store that doctor is given as a word, and at one alone', async () => {
    const given = await cairn('doctor', 'http://127.0.0.1:9', '--json')
    expect([given.code, JSON.parse(given.out)[0].detail]).toEqual([1, 'http://127.0.0.1:9'])
    const twice = await cairn('doctor', './a', '--tracking-uri', './b')
    expect([twice.code, twice.err]).toEqual([2, expect.stringContaining('not both')])
  })

  it('exits with 2 when the words make no sense, and touches nothing', async () => {
    const elsewhere = join(cwd, 'elsewhere')
    for (const words of [
      [],
      ['runs'],
      ['jump'],
      ['runs', 'list', '--max', '0'],
      ['runs', 'show'],
      ['cache', 'prune', '--older-than', 'x'],
    ])
      expect(
        (await cairn(...words, ...(words.length > 1 ? ['--tracking-uri', elsewhere] : []))).code,
        words.join(' '),
      ).toBe(2)
    expect(existsSync(elsewhere)).toBe(false)
  }, 60_000)

  it('ends without a word when its reader has had enough', async () => {
    const child = start('runs', 'list', '--json')
    child.stdout.destroy()
    let err = ''
    child.stderr.on('data', (chunk) => (err += chunk))
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0)
    expect(err).toBe('')
  })

  it.skipIf(!existsSync('/dev/full'))('says in a line that its output cannot be written', async () => {
    const full = openSync('/dev/full', 'w')
    const child = startInto(full, 'runs', 'list')
    let err = ''
    child.stderr?.on('data', (chunk) => (err += chunk))
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(1)
    expect(err).toMatch(/^error: The output cannot be written: ENOSPC: .*\n$/)
  })
})

describe('help', () => {
  it('and version answer with 0, help with examples', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(await cairn('--version')).toEqual({ code: 0, out: `${version}\n`, err: '' })
    const { code, out } = await cairn('runs', 'list', '--help')
    expect(code).toBe(0)
    for (const part of ['--filter', '--tracking-uri', '--json', 'Examples:\n  $ cairn-ml runs list'])
      expect(out).toContain(part)
  })
})

describe('ui', () => {
  it('says that a folder is not there, or is none, and makes nothing', async () => {
    const { code, out, err } = await cairn('ui', './mlrun', '--no-open')
    expect([code, out]).toEqual([1, ''])
    expect(err).toBe(`error: There is no folder ${join(cwd, 'mlrun')}: check the path, or log a run to it first\n`)
    expect(existsSync(join(cwd, 'mlrun'))).toBe(false)
    writeFileSync(join(cwd, 'notes.txt'), 'x')
    const file = await cairn('ui', './notes.txt', '--no-open')
    expect([file.code, file.err]).toEqual([1, expect.stringContaining('notes.txt is a file')])
  })

  it('says at once that the server whose runs it shows is away, and waits for it', async () => {
    const child = start('ui', 'http://127.0.0.1:9', '--no-open')
    let err = ''
    child.stderr.on('data', (chunk) => (err += chunk))
    const ended = new Promise((resolve) => child.once('close', resolve))
    const url = await new Promise<string>((resolve) =>
      child.stdout.once('data', (data) => resolve(String(data).trim())),
    )
    await expect
      .poll(() => err)
      .toMatch(/^warning: Nothing listens at http:\/\/127\.0\.0\.1:9.*as soon as it answers\n$/)
    expect((await fetch(url)).status).toBe(200)
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  })

  it('does not begin in front of what is no MLflow server', async () => {
    const server = createServer(
      (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const { code, out, err } = await cairn('ui', `http://127.0.0.1:${port}`, '--no-open')
    server.close()
    expect([code, out]).toEqual([1, ''])
    expect(err).toContain(`error: http://127.0.0.1:${port}/`)
  })
})

describe('server', () => {
  it.each([
    ['a page that is not MLflow', 200, '<p>'],
    ['a page that is not found', 404, '<p>'],
    ['a refusal', 401, '{}'],
  ])(
    'stands in front of a server that is coming up, whose first answer is %s, and says so once',
    async (_, status, body) => {
      const upstream = createServer(
        (_request, response) => void response.writeHead(status, { 'content-type': 'text/html' }).end(body),
      )
      await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
      const { port } = upstream.address() as AddressInfo
      const child = start('server', `http://127.0.0.1:${port}`, '--port', '0')
      let err = ''
      child.stderr.on('data', (chunk) => (err += chunk))
      const ended = new Promise((resolve) => child.once('close', resolve))
      const url = await Promise.race([
        new Promise<string>((resolve) => child.stdout.once('data', (data) => resolve(String(data).trim()))),
        ended.then((code) => `ended with ${code}: ${err}`),
      ])
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:/)
      await expect.poll(() => err).toMatch(/^warning: .*as soon as it answers\n/)
      expect(err.match(/warning: /g)).toHaveLength(1)
      child.kill('SIGTERM')
      expect(await ended).toBe(0)
      upstream.close()
    },
  )

  it('tells once that credentials go in the open', async () => {
    const child = start('server', 'http://me:secret@0.0.0.0:9', '--port', '0')
    let err = ''
    child.stderr.on('data', (chunk) => (err += chunk))
    const ended = new Promise((resolve) => child.once('close', resolve))
    await Promise.race([new Promise((resolve) => child.stdout.once('data', resolve)), ended])
    child.kill('SIGTERM')
    await ended
    expect(err.match(/unencrypted/g)).toHaveLength(1)
  })
})
