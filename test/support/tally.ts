import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished, TestRunner } from 'vitest'
import { type Client, createClient, type RunData } from '../../src/index.js'
import type { Ended } from './child.js'
import { exitOf, recordFault } from './fault-line.js'

/** A process of a test; what it logs is noted in its folder, by `ledger.mjs`. */
interface Logger {
  readonly ledger: string
  readonly begun: number
  over?: { readonly ended: Ended; readonly at: number }
}

/** The processes of one test. */
interface Loggers {
  /** The runs that were there before them. */
  readonly before: Promise<string[]>
  readonly all: Logger[]
  note?: string
}

/** Adds up what the processes of a test log to a store, and what arrives there: at the end of the test it is a line of the report. */
export function tally(cwd: string, store: string) {
  let current: Loggers | undefined

  /** Begins with the first process of a test. */
  function ofTest(): Loggers {
    if (current) return current
    const own: Loggers = { before: idsIn(store), all: [] }
    current = own
    onTestFinished(async () => {
      current = undefined
      await record(store, own)
    })
    return own
  }

  return {
    /** A process begins; `end` is told how it ended. */
    async begin() {
      const logger: Logger = { ledger: mkdtempSync(join(cwd, '.ledger-')), begun: performance.now() }
      if (TestRunner.getCurrentTest()) {
        const { before, all } = ofTest()
        all.push(logger)
        await before
      }
      return {
        ledger: logger.ledger,
        end(ended: Ended): void {
          logger.over = { ended, at: performance.now() }
        },
      }
    },
    /** Says in the line what its figures do not. */
    remark(note: string): void {
      ofTest().note = note
    },
  }
}

async function record(store: string, { before, all, note }: Loggers): Promise<void> {
  const counts = all.map((logger) => ({ ...logger, ...countsIn(logger.ledger) })).filter(({ logged }) => logged > 0)
  if (counts.length === 0) return
  const points = await pointsIn(store, await before)
  const arrived = points.reduce((sum, ofKey) => sum + new Set(ofKey).size, 0)
  recordFault({
    logged: counts.reduce((sum, { logged }) => sum + logged, 0),
    arrived,
    twice: points.reduce((sum, ofKey) => sum + ofKey.length, 0) - arrived,
    exit: exitOf(...counts.flatMap(({ over }) => over?.ended ?? [])),
    longestMs: Math.max(...counts.map(({ longestMs }) => longestMs)),
    seconds:
      (Math.max(...counts.map(({ over, begun }) => over?.at ?? begun)) -
        Math.min(...counts.map(({ begun }) => begun))) /
      1000,
    note,
  })
}

/** What the threads of a process noted. */
function countsIn(ledger: string): { readonly logged: number; readonly longestMs: number } {
  const notes = readdirSync(ledger).map((name) => readFileSync(join(ledger, name)))
  const whole = notes.filter(({ length }) => length === 16)
  return {
    logged: whole.reduce((sum, note) => sum + note.readDoubleLE(0), 0),
    longestMs: Math.max(0, ...whole.map((note) => note.readDoubleLE(8))),
  }
}

/** Does something with the runs of a store that there are; one that nobody has made stays so. */
async function ofRuns<T>(store: string, act: (runs: readonly RunData[], client: Client) => Promise<T[]>): Promise<T[]> {
  if (!existsSync(store)) return []
  await using client = createClient({ trackingUri: store })
  const experiments = await client.searchExperiments({ viewType: 'ALL' })
  const experimentIds = experiments.map(({ experimentId }) => experimentId)
  return act(await client.searchRuns({ experimentIds, viewType: 'ALL' }), client)
}

const idsIn = (store: string): Promise<string[]> => ofRuns(store, async (runs) => runs.map(({ info }) => info.runId))

/** The points of each key of each run in a store that was not there before, as texts. */
const pointsIn = (store: string, before: readonly string[]): Promise<string[][]> =>
  ofRuns(store, async (runs, client) => {
    const keys = runs
      .filter(({ info }) => !before.includes(info.runId))
      .flatMap(({ info, data }) => Object.keys(data.metrics).map((key) => [info.runId, key] as const))
    return Promise.all(
      keys.map(async (of) =>
        (await client.getMetricHistory(...of)).map(({ step, timestamp, value }) => `${step} ${timestamp} ${value}`),
      ),
    )
  })
