import { execFileSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { built } from '../support/built.js'
import { bundle, hasBundler } from '../support/bundle.js'
import { tempDir } from '../support/temp-dir.js'

it.skipIf(!hasBundler)(
  'in the one CommonJS file that a bundler makes it answers, and says what is missing',
  async () => {
    const entry = join(dirname(await built()), 'server.js')
    const out = join(dirname(entry), 'server-bundle.cjs')
    bundle(entry, out, '--format=cjs')
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
