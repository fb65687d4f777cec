import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sender } from '../../src/http/send.js'
import { httpTransport } from '../../src/transport/http.js'
import { tempDir } from '../support/temp-dir.js'
import { available, postgresBin, type Running, startCairn, startMlflow, startPostgres, startS3 } from './servers.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const servers: Running[] = []
afterAll(async () => {
  for (const server of servers.splice(0).reverse()) await server.stop()
})
async function kept<R extends Running>(starting: Promise<R>): Promise<R> {
  const running = await starting
  servers.push(running)
  return running
}

/** Runs an example as a user would: the only thing said is where the server is. */
async function run(example: string, uri: string): Promise<{ output: string; left: boolean }> {
  const cwd = tempDir()
  const clean = Object.entries(process.env).filter(([name]) => !/^(MLFLOW|CAIRN|VITEST|NODE_OPTIONS)/.test(name))
  const env = {
    ...Object.fromEntries(clean),
    TSX_TSCONFIG_PATH: join(root, 'tsconfig.json'),
    CAIRN_CACHE_DIR: join(cwd, '.cache'),
    CAIRN_SPOOL_DIR: join(cwd, '.spool'),
    MLFLOW_TRACKING_URI: uri,
  }
  const args = ['--import', import.meta.resolve('tsx'), join(root, 'examples', example)]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd, env, timeout: 110_000 })
  return { output: stdout, left: existsSync(join(cwd, 'mlruns')) }
}

function examples(start: () => Promise<string>): void {
  let uri = ''
  beforeAll(async () => {
    uri = await start()
  })

  it('quickstart leaves its versions and stages on the server, and nothing here', async () => {
    const { output, left } = await run('quickstart.ts', uri)
    const served = [...output.matchAll(/Production is version (\d+): accuracy ([\d.]+) on 60/g)]
    expect(served.map(([, version]) => version)).toEqual(['1', '2', '1'])
    expect(left).toBe(false)
    const transport = httpTransport({ send: sender({ url: uri }) })
    const { model_versions } = await transport.call('searchModelVersions', { filter: "name = 'iris'" })
    expect(model_versions).toHaveLength(2)
    await transport.close()
  })

  it.each(['tfjs-training.ts', 'onnx-training.ts', 'search-and-compare.ts'])('%s', async (example) => {
    expect((await run(example, uri)).left).toBe(false)
  })
}

describe.skipIf(!available('latest'))('examples on the newest MLflow and SQLite', () => {
  examples(async () => (await kept(startMlflow('latest', { store: 'sqlite' }))).url)
})

describe.skipIf(!available('latest') || !postgresBin)('examples on the newest MLflow, PostgreSQL and S3', () => {
  examples(async () => {
    const database = await kept(startPostgres())
    const s3 = await kept(startS3())
    return (await kept(startMlflow('latest', { store: database.url, artifacts: 's3://mlflow/a', env: s3.env }))).url
  })
})

describe.skipIf(!available('latest-2'))('examples on the newest MLflow 2 and its file store', () => {
  examples(async () => (await kept(startMlflow('latest-2', { store: 'files' }))).url)
})

describe('examples on cairn-ml server', () => {
  examples(async () => (await kept(startCairn())).url)
})
