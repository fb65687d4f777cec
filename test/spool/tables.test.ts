import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createClient } from '../../src/index.js'
import { leftIn } from '../support/left.js'
import { type Stand, stand } from '../support/spool-child.js'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function house(): Promise<Stand> {
  const here = await stand()
  closers.push(here.stop)
  return here
}

/** Waits in the child until its server is away. */
const AWAY = `
  console.log('begun')
  await new Promise((resolve) => process.stdin.once('data', resolve))`

/** Runs a script whose server goes away at `AWAY`, and comes back when it says so. */
async function deserted(here: Stand, body: string) {
  let turning: Promise<void> | undefined
  let back: Promise<void> | undefined
  const ended = await here.run(body, {
    onStdout(all, _, write) {
      if (all.includes('begun')) turning ??= here.stop().then(() => write('go\n'))
      if (all.includes('come back')) back ??= here.start().then(() => write('go\n'))
      return back ?? turning
    },
  })
  await turning
  await back
  return ended
}

async function tableOf({ url }: Stand, path = 'table.json'): Promise<unknown> {
  const client = createClient({ trackingUri: url })
  closers.push(() => client.close())
  const [run] = await client.searchRuns()
  return JSON.parse(readFileSync(await client.downloadArtifacts({ runId: run?.info.runId ?? '', path }), 'utf8'))
}

const RESUMED = `
  const run = await startRun({ runName: 'eval' })
  await run.logTable([{ a: 1 }, { a: 2 }], 'table.json')
  await endRun()
  await startRun({ runId: run.runId })`

describe('rows of a table that cannot be read, since its server is away', () => {
  it('are a table of their own where there was none', async () => {
    const here = await house()
    const ended = await deserted(
      here,
      `await startRun()
      ${AWAY}
      await activeRun().logTable([{ a: 1 }], 'table.json')
      await activeRun().logTable([{ a: 2, b: 'x' }], 'table.json')
      process.exit()`,
    )
    expect(ended).toMatchObject({ code: 0 })
    await here.start()
    expect((await here.replay()).code).toBe(0)
    expect(await tableOf(here)).toEqual({
      columns: ['a', 'b'],
      data: [
        [1, null],
        [2, 'x'],
      ],
    })
    expect(leftIn(here.spoolDir)).toEqual([])
  })

  it('are added to what an earlier process had logged, once though the answer is lost', async () => {
    const here = await house()
    const ended = await deserted(
      here,
      `${RESUMED}
      ${AWAY}
      await activeRun().logTable([{ a: 2 }], 'table.json')
      process.exit()`,
    )
    expect(ended).toMatchObject({ code: 0 })
    await here.start()
    // The table is read, and what is written then arrives without a word.
    here.server?.faults.add({ on: 'artifacts', skip: 1, break: 'swallow' })
    expect((await here.replay()).code).toBe(0)
    expect(here.server?.faults.left).toBe(0)
    expect(await tableOf(here)).toEqual({ columns: ['a'], data: [[1], [2], [2]] })
    expect(leftIn(here.spoolDir)).toEqual([])
  })

  it('are followed by those that are logged when the server is back', async () => {
    const here = await house()
    const ended = await deserted(
      here,
      `${RESUMED}
      ${AWAY}
      await activeRun().logTable([{ a: 3 }], 'table.json')
      console.log('come back')
      await new Promise((resolve) => process.stdin.once('data', resolve))
      process.stdin.destroy()
      await activeRun().logTable([{ a: 4 }], 'table.json')
      await activeRun().flush()
      await activeRun().logTable([{ a: 5 }], 'table.json')
      await endRun()`,
    )
    expect(ended).toMatchObject({ code: 0 })
    expect(await tableOf(here)).toEqual({ columns: ['a'], data: [[1], [2], [3], [4], [5]] })
    expect(leftIn(here.spoolDir)).toEqual([])
  })

  it('are set aside with the reason where no table is', async () => {
    const here = await house()
    const ended = await deserted(
      here,
      `await startRun()
      await logText('{}', 'table.json')
      ${AWAY}
      await activeRun().logTable([{ a: 1 }], 'table.json')
      process.exit()`,
    )
    expect(ended).toMatchObject({ code: 0 })
    await here.start()
    const replayed = await here.replay()
    expect(JSON.parse(replayed.stdout)).toMatchObject([{ complete: true, refused: 1 }])
    const aside = readdirSync(here.spoolDir, { recursive: true, encoding: 'utf8' })
    const said = aside.find((name) => name.endsWith('.jsonl')) ?? ''
    expect(readFileSync(join(here.spoolDir, said), 'utf8')).toContain('is no table in the split form')
    // The rows are kept beside it.
    expect(aside.filter((name) => /-files\/.*-file-\d+$/.test(name))).toHaveLength(1)
    expect(await tableOf(here)).toEqual({})
  })
})
