import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const minute = 60_000
const dirs: string[] = []

afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
})

function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'cairn-example-'))
  dirs.push(dir)
  return dir
}

/** Starts an example as a user would in an empty folder: nothing in the environment says where things go. */
function start(example: string, cwd: string, args: string[] = [], extra: NodeJS.ProcessEnv = {}): ChildProcess {
  const clean = Object.entries(process.env).filter(([name]) => !/^(MLFLOW|CAIRN|VITEST|NODE_OPTIONS)/.test(name))
  const env = {
    ...Object.fromEntries(clean),
    TSX_TSCONFIG_PATH: join(root, 'tsconfig.json'),
    CAIRN_CACHE_DIR: join(cwd, '.cache'),
    ...extra,
  }
  const file = join(root, 'examples', example)
  return spawn(process.execPath, ['--import', import.meta.resolve('tsx'), file, ...args], { cwd, env })
}

/** Everything the child printed, and its exit code, once it has ended. */
async function ended(child: ChildProcess): Promise<{ code: number | null; output: string; errors: string }> {
  let output = ''
  let errors = ''
  child.stdout?.on('data', (chunk) => (output += chunk))
  child.stderr?.on('data', (chunk) => (errors += chunk))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, output, errors }
}

async function run(example: string, cwd = tempDir()): Promise<string> {
  const { code, output, errors } = await ended(start(example, cwd))
  expect(code, `${example} printed:\n${output}\n${errors}`).toBe(0)
  return output
}

const numbers = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, value]) => Number(value))

describe('quickstart and the service on what it leaves behind', () => {
  const dir = tempDir()
  let output = ''
  beforeAll(async () => {
    output = await run('quickstart.ts', dir)
  }, minute)

  it('loads from the registry what it promoted, and that predicts well', () => {
    const served = [...output.matchAll(/Production is version (\d+): accuracy ([\d.]+) on 60/g)]
    expect(served.map(([, version]) => version)).toEqual(['1', '2', '1'])
    const [first, second, back] = served.map(([, , accuracy]) => Number(accuracy))
    expect(first).toBeGreaterThan(0.8)
    expect(second).toBeGreaterThan(0.94)
    expect(back).toBe(first)
  })

  it('says what it did in a screenful', () => {
    expect(output).toMatch(/Staging → Production/)
    expect(output.split('\n').length).toBeLessThan(30)
  })

  it('leaves runs, pictures and versions in ./mlruns', () => {
    const files = readdirSync(join(dir, 'mlruns'), { recursive: true }).map(String)
    const count = (pattern: RegExp) => files.filter((file) => pattern.test(file)).length
    expect(count(/\.png$/)).toBe(2)
    expect(count(/\.svg$/)).toBe(4)
    expect(count(/metrics.loss$/)).toBe(2)
    expect(count(/model\.onnx$/)).toBe(2)
    expect(count(/models.iris.version-\d+$/)).toBe(2)
  })

  it('adds to that and breaks nothing when it runs again', { timeout: minute }, async () => {
    const again = await run('quickstart.ts', dir)
    expect(numbers(again, /Production is version (\d+):/g)).toEqual([3, 4, 3])
  })

  it('serves the version in Production, refuses bad input by name, and stops cleanly', {
    timeout: minute,
  }, async () => {
    const child = start('inference-service.ts', dir, ['models:/iris/Production'], { PORT: '0' })
    const end = ended(child)
    const address = await new Promise<string>((resolve, reject) => {
      child.stdout?.on('data', (chunk) => {
        const url = /http:\/\/\S+/.exec(String(chunk))?.[0]
        if (url) resolve(url)
      })
      end.then(({ errors }) => reject(new Error(`The service ended: ${errors}`)))
    })
    const post = (body: string) => fetch(`${address}/predict`, { method: 'POST', body })
    const flower = { sepalLength: 5, sepalWidth: 3.4, petalLength: 1.5, petalWidth: 0.2 }

    const ready = await fetch(`${address}/health/ready`)
    expect([ready.status, await ready.json()]).toEqual([200, { ready: true, model: 'iris', version: '3' }])

    const good = await post(JSON.stringify([flower]))
    expect(good.status).toBe(200)
    expect(await good.json()).toMatchObject({ version: '3', predictions: [{ species: 'setosa' }] })

    const wrong = await post(JSON.stringify([{ ...flower, petalWidth: 'wide' }]))
    expect(wrong.status).toBe(400)
    expect(await wrong.text()).toContain('petalWidth')
    expect((await post('{"not json')).status).toBe(400)
    expect((await fetch(`${address}/elsewhere`)).status).toBe(404)

    child.kill('SIGTERM')
    expect((await end).code).toBe(0)
  })
})

describe('training', () => {
  it('tfjs: model.fit logs its epochs, and the model loaded back predicts the same', { timeout: minute }, async () => {
    const output = await run('tfjs-training.ts')
    const [accuracy, difference] = [/accuracy ([\d.]+)/, /probability (\S+)/].map((p) => Number(p.exec(output)?.[1]))
    expect(accuracy).toBeGreaterThan(0.9)
    expect(difference).toBeLessThan(1e-6)
  })

  it('onnx: a graph that trains agrees with plain JavaScript in every epoch', { timeout: minute }, async () => {
    const output = await run('onnx-training.ts')
    const differences = numbers(output, /^ +\d+ +[\d.]+ +[\d.]+ +(\S+)$/gm)
    expect(differences).toHaveLength(40)
    expect(Math.max(...differences)).toBeLessThanOrEqual(1e-5)
    expect(numbers(output, /accuracy ([\d.]+) on held-out/g)[0]).toBeGreaterThan(0.9)
  })

  it('search: the best of several learning rates is found by a search', { timeout: minute }, async () => {
    const dir = tempDir()
    const output = await run('search-and-compare.ts', dir)
    expect(numbers(output, /Best: learning rate ([\d.]+) \(run [0-9a-f]{32}\)/g)[0]).toBeGreaterThan(0.1)
    expect(existsSync(join(dir, 'mlruns'))).toBe(true)
  })
})

describe('plug-ins', () => {
  it('a flavor of one’s own is logged, loaded and predicts', { timeout: minute }, async () => {
    const output = await run('custom-flavor.ts')
    expect(output).toContain('"centroids" model')
    expect(numbers(output, /accuracy ([\d.]+) on 60/g)[0]).toBeGreaterThan(0.85)
  })

  it('an artifact store of one’s own keeps files its way', { timeout: minute }, async () => {
    const output = await run('custom-artifact-store.ts')
    expect(output).toMatch(/30000 bytes, kept in \d{2,3}\./)
    expect(output).toContain('the same text')
  })

  it('a transport of one’s own sees every call and leaves the work to another', { timeout: minute }, async () => {
    const dir = tempDir()
    const output = await run('custom-transport.ts', dir)
    const [batches] = numbers(output, /in (\d+) calls of logBatch/g)
    expect(batches).toBeGreaterThan(0)
    expect(batches).toBeLessThan(20)
    expect(existsSync(join(dir, 'mlruns'))).toBe(true)
  })
})
