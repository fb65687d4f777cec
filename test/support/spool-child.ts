import { join } from 'node:path'
import { expect } from 'vitest'
import { createClient } from '../../src/index.js'
import { startTestServer, type TestServer } from '../../src/testing/index.js'
import { built } from './built.js'
import { type ChildOptions, child, type Ended } from './child.js'
import { leftIn } from './left.js'
import { tally } from './tally.js'
import { tempDir } from './temp-dir.js'

/** What a child logged, and what of it its server has. */
export interface Outcome extends Ended {
  readonly status: string | undefined
  /** Steps of the metric `loss`, as the server has them. */
  readonly steps: number[]
  /** Points beyond the first with their step. */
  readonly twice: number
  readonly params: Readonly<Record<string, string>>
  readonly tags: Readonly<Record<string, string>>
  readonly runs: number
}

const LEDGER = new URL('ledger.mjs', import.meta.url).href

/** A folder and a server for children that log. */
export async function stand(options: { readonly port?: number } = {}) {
  const cwd = tempDir()
  const dir = join(cwd, 'server')
  let server: TestServer | undefined = await startTestServer({ dir, ...options })
  const port = Number(new URL(server.url).port)
  const { url } = server

  const { begin, remark } = tally(cwd, join(dir, 'mlruns'))

  const stop = async (): Promise<void> => {
    await server?.close()
    server = undefined
  }
  return {
    cwd,
    url,
    port,
    spoolDir: join(cwd, 'spool'),
    get server() {
      return server
    },
    stop,
    async start() {
      server ??= await startTestServer({ dir, port })
    },
    /** Runs a script that logs to the server, and is counted for the report; by `cairn` it logs uncounted. */
    run: async (body: string, more: Partial<ChildOptions> = {}) => {
      const { ledger, end } = await begin()
      const ended = await child(
        `import * as cairn from 'CAIRN'
import { counted } from ${JSON.stringify(LEDGER)}
const { startRun, endRun, logMetric, logMetrics, logParam, logParams, setTag, logText, createClient, activeRun } = counted(cairn, ${JSON.stringify(ledger)})
${body}`,
        {
          cwd,
          built: await built(),
          ...more,
          env: { MLFLOW_TRACKING_URI: url, MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: 'true', ...more.env },
        },
      )
      end(ended)
      return ended
    },
    /** What the server has of the newest run. */
    async outcome(ended: Ended): Promise<Outcome> {
      const client = createClient({ trackingUri: join(dir, 'mlruns') })
      const found = await client.searchRuns({ viewType: 'ALL' })
      const run = found[0]
      const points = run ? await client.getMetricHistory(run.info.runId, 'loss').catch(() => []) : []
      await client.close()
      const steps = points.map(({ step }) => Number(step)).sort((a, b) => a - b)
      return {
        ...ended,
        status: run?.info.status,
        steps,
        twice: steps.length - new Set(steps).size,
        params: run?.data.params ?? {},
        tags: run?.data.tags ?? {},
        runs: found.length,
      }
    },
    remark,
    /** The files that wait in the spool. */
    left: () => leftIn(join(cwd, 'spool')),
    /** Delivers what is left, as the next process of Cairn does. */
    replay: async (): Promise<Ended> => child(REPLAY, { cwd, built: await built(), env: { MLFLOW_TRACKING_URI: url } }),
  }
}

export type Stand = Awaited<ReturnType<typeof stand>>

/** Fails unless the run ended well, with all its points once. */
export const expectWhole = ({ steps, twice, status, code }: Outcome, points: number): void =>
  expect({ points: steps.length, twice, status, code }).toEqual({ points, twice: 0, status: 'FINISHED', code: 0 })

/** A process that waits until what is left in the spool is delivered. */
const REPLAY = `
import { createClient } from 'CAIRN'
const client = createClient()
const done = await client.deliverSpool()
console.log(JSON.stringify(done.map(({ reason, ...one }) => ({ runId: one.runId, complete: one.complete, delivered: one.delivered, refused: one.refused, reason: reason?.message }))))
await client.close()
`

/** Kills the child when it has said a word. */
export const killWhen = (word: string, signal: NodeJS.Signals): Partial<ChildOptions> => ({
  onStdout: (all, kill) => {
    if (all.includes(word)) kill(signal)
  },
})
