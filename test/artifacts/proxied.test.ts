import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { fileArtifacts } from '../../src/artifacts/file.js'
import { createClient, UnsafePathError } from '../../src/index.js'
import { startTestServer } from '../../src/testing/index.js'
import { tempDir } from '../support/temp-dir.js'

it.each(['50%25.csv', 'a%2Fb.txt', 'x%20y.txt', 'd%41/x.txt'])(
  '%j, which a server would keep under another name, is refused before anything is sent',
  async (name) => {
    await using server = await startTestServer()
    await using client = createClient({ trackingUri: server.url })
    const run = await client.startRun()
    const from = tempDir()
    mkdirSync(join(from, name, '..'), { recursive: true })
    writeFileSync(join(from, '50%.csv'), 'half')
    writeFileSync(join(from, name), 'x')
    const refused = run.logArtifacts(from)
    await expect(refused).rejects.toThrow(UnsafePathError)
    await expect(refused).rejects.toThrow(/"%(?:25|2F|20|41)".*rename/)
    await expect(run.logText('x', name)).rejects.toThrow(UnsafePathError)
    await expect(run.logText('x', 'a.txt')).resolves.toBeUndefined()
    await expect(run.logArtifact(join(from, '50%.csv'))).resolves.toBeUndefined()
    expect((await client.listArtifacts(run.runId)).map(({ path }) => path)).toEqual(['50%.csv', 'a.txt'])
  },
)

it('a name with an escape that is on a server already is listed and read', async () => {
  const dir = tempDir()
  await using server = await startTestServer({ dir })
  await using client = createClient({ trackingUri: server.url })
  const run = await client.startRun()
  const root = run.artifactUri.replace(/^mlflow-artifacts:\/*/, '')
  await fileArtifacts(join(dir, 'artifacts')).write(`${root}/x%20y.txt`, new Blob(['old']))
  expect(await client.listArtifacts(run.runId)).toMatchObject([{ path: 'x%20y.txt', fileSize: 3 }])
  const file = await client.downloadArtifacts({ runId: run.runId, path: 'x%20y.txt' })
  expect(readFileSync(file, 'utf8')).toBe('old')
})
