import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { run } from '../../src/cli/run.js'
import type { Terminal } from '../../src/cli/terminal.js'
import { createClient } from '../../src/client.js'
import { startTestServer } from '../../src/testing/index.js'
import { tempDir } from '../support/temp-dir.js'

const store = join(tempDir(), 'mlruns')
let runId = ''

/** The words as they are said, and what they print. */
async function cairn(...words: string[]) {
  const [out, err, bar]: [string[], string[], string[]] = [[], [], []]
  const terminal: Terminal = {
    width: undefined,
    bold: (text) => text,
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    progress: (text) => void bar.push(text),
  }
  const code = await run(words, terminal)
  return { code, out: out.join('\n'), err: err.join('\n'), bar }
}

beforeAll(async () => {
  await using client = createClient({ trackingUri: store })
  const made = await client.startRun({ runName: 'first' })
  made.logMetric('loss', 0.5)
  await made.logText('x', 'a.txt')
  await made.end()
  runId = made.runId
})

describe('cairn-ml sync', () => {
  it('says what would be copied, copies it, and then nothing more', async () => {
    await using server = await startTestServer()
    const dry = await cairn('sync', store, '--to', server.url, '--dry-run')
    expect([dry.code, dry.err]).toEqual([0, ''])
    expect(dry.out).toMatch(
      /^Would copy from .*\n {2}experiments +0 added, 0 changed, 1 complete already\n {2}runs +1 added/,
    )
    const first = await cairn('sync', store, '--to', server.url)
    expect(first.code).toBe(0)
    expect(first.out).toMatch(/^Copied from /)
    expect(first.out).toMatch(/points +1\n {2}files +1 \(1 B\)$/)
    expect(first.bar.at(-2)).toMatch(/^\[=+\] 1 of 1, 1 points, 1 B {2}first$/)
    expect(first.bar.at(-1)).toBe('')
    const again = await cairn('sync', store, '--to', server.url, '--json')
    expect(JSON.parse(again.out)).toMatchObject({ runs: { added: 0, changed: 0, same: 1 }, points: 0, failed: [] })
  })

  it('copies only the runs that are named', async () => {
    const to = join(tempDir(), 'copy')
    const { code, out } = await cairn('sync', store, '--to', to, '-r', runId, '--json')
    expect(code).toBe(0)
    expect(Object.keys(JSON.parse(out).runIds)).toEqual([runId])
  })

  it('ends with 1 when something was not copied, and says what', async () => {
    await using server = await startTestServer()
    server.faults.add({ on: 'createRun', status: 400, body: '{"error_code":"INVALID_PARAMETER_VALUE","message":"no"}' })
    const { code, out } = await cairn('sync', store, '--to', server.url)
    expect(code).toBe(1)
    expect(out).toContain(`NOT COPIED  run ${runId}: no\n`)
    expect((await cairn('sync', store, '--to', server.url)).code).toBe(0)
  })

  it('ends with 1 when there is nothing to copy from', async () => {
    const { code, err } = await cairn('sync', join(tempDir(), 'no'), '--to', store)
    expect(code).toBe(1)
    expect(err).toMatch(/^error: There is no local store /)
  })

  it('without a path delivers what waits, and says that nothing does', async () => {
    process.env.CAIRN_SPOOL_DIR = tempDir()
    try {
      expect(await cairn('sync')).toMatchObject({ code: 0, out: 'Nothing waits to be delivered.' })
      expect(JSON.parse((await cairn('sync', '--json')).out)).toEqual({ spool: [] })
    } finally {
      delete process.env.CAIRN_SPOOL_DIR
    }
  })
})
