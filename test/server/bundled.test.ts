import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { built } from '../support/built.js'
import { tempDir } from '../support/temp-dir.js'

const ESBUILD = join(import.meta.dirname, '..', '..', 'node_modules', '.bin', 'esbuild')

it.skipIf(!existsSync(ESBUILD))(
  'in the one CommonJS file that a bundler makes it answers, and says what is missing',
  async () => {
    const entry = join(dirname(await built()), 'server.js')
    const out = join(dirname(entry), 'server-bundle.cjs')
    const apart = ['onnxruntime-node', 'sharp', '@tensorflow/*'].map((name) => `--external:${name}`)
    const options = ['--bundle', '--platform=node', '--format=cjs', '--log-level=error', ...apart]
    execFileSync(ESBUILD, [entry, ...options, `--outfile=${out}`], { stdio: 'pipe' })
    const script = `require(${JSON.stringify(out)}).startServer({ trackingUri: 'mlruns' }).then(async (server) => {
    const said = []
    for (const path of ['/health', '/', '/page.js', '/api/2.0/mlflow/experiments/get?experiment_id=0']) {
      const answer = await fetch(new URL(path, server.url))
      said.push([answer.status, (await answer.text()).slice(0, 60)])
    }
    console.log(JSON.stringify(said))
    await server.close()
  })`
    const how = { cwd: tempDir(), encoding: 'utf8', stdio: 'pipe', timeout: 20_000 } as const
    const said = execFileSync(process.execPath, ['-e', script], how)
    const answers = JSON.parse(said) as [number, string][]
    expect(answers.map(([status]) => status)).toEqual([200, 200, 503, 200])
    expect(answers[2]?.[1]).toContain('files of the page are not beside')
  },
)
