import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Fault } from '../../src/testing/index.js'
import { built } from '../support/built.js'
import type { ChildOptions } from '../support/child.js'
import { stand } from '../support/spool-child.js'

interface Case {
  readonly fault: string
  readonly faults?: readonly Fault[]
  /** What the process does after it has logged; ends its run by default. */
  readonly after?: string
  readonly before?: string
  /** Sent when the process says that it has logged. */
  readonly signal?: NodeJS.Signals
  /** Sent as long after, in milliseconds. */
  readonly later?: readonly [NodeJS.Signals, number]
  readonly code?: number | null
  readonly status?: string
  /** Whether another process has to deliver what is left. */
  readonly replay?: boolean
  readonly nodeOptions?: readonly string[]
  /** How often the server gets each point; a store of files keeps them all. */
  readonly copies?: number
}

const COUNT = 3000
const IDLE = "console.log('logged'); setInterval(() => {}, 1000)"
const on = 'logBatch' as const

const cases: Case[] = [
  { fault: 'none' },
  { fault: '500 three times, carried out', faults: [{ on, status: 500, times: 3, carriedOut: true }] },
  { fault: '502, 503, 504', faults: [502, 503, 504].map((status) => ({ on, status })) },
  { fault: '501, 505, 511', faults: [501, 505, 511].map((status) => ({ on, status })) },
  { fault: '408 twice', faults: [{ on, status: 408, times: 2 }] },
  { fault: '429, Retry-After 1', faults: [{ on, status: 429, headers: { 'retry-after': '1' } }] },
  { fault: '429, Retry-After garbage', faults: [{ on, status: 429, headers: { 'retry-after': 'soon' } }] },
  { fault: '429, Retry-After 0', faults: [{ on, status: 429, headers: { 'retry-after': '0' } }] },
  {
    fault: '429, Retry-After a date gone by',
    faults: [{ on, status: 429, headers: { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' } }],
  },
  { fault: '503, Retry-After -5', faults: [{ on, status: 503, headers: { 'retry-after': '-5' } }] },
  { fault: 'answer swallowed three times', faults: [{ on, break: 'swallow', times: 3 }] },
  { fault: 'answer cut three times', faults: [{ on, break: 'cut', times: 3 }] },
  { fault: 'connection refused three times', faults: [{ on, break: 'refuse', times: 3 }] },
  { fault: '200 with HTML', faults: [{ on, status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }] },
  { fault: '200, empty', faults: [{ on, status: 200, body: '' }] },
  { fault: '302', faults: [{ on, status: 302, headers: { location: 'http://127.0.0.1:1/' } }] },
  { fault: '413 twice', faults: [{ on, status: 413, times: 2 }] },
  { fault: 'every request with points twice', faults: [{ on, break: 'double', times: Infinity }], copies: 2 },
  { fault: 'slow by 300 ms', faults: [{ on, delayMs: 300, times: 5 }] },
  { fault: 'status update fails twice', faults: [{ on: 'updateRun', status: 503, times: 2 }] },
  { fault: 'SIGTERM', after: IDLE, signal: 'SIGTERM', code: null, status: 'KILLED' },
  { fault: 'SIGINT', after: IDLE, signal: 'SIGINT', code: null, status: 'KILLED' },
  {
    fault: 'SIGKILL',
    after: `await new Promise((go) => setTimeout(go, 15)); ${IDLE}`,
    signal: 'SIGKILL',
    code: null,
    status: 'RUNNING',
    replay: true,
  },
  {
    fault: 'SIGSTOP for three seconds',
    after: "console.log('logged'); await new Promise((go) => setTimeout(go, 500)); await endRun()",
    signal: 'SIGSTOP',
    later: ['SIGCONT', 3000],
  },
  { fault: 'process.exit(0)', after: 'process.exit(0)' },
  { fault: 'process.exit(5)', after: 'process.exit(5)', code: 5, status: 'FAILED' },
  { fault: 'uncaught error', after: "throw new Error('boom')", code: 1, status: 'FAILED' },
  { fault: 'unhandled rejection', after: "void Promise.reject(new Error('boom'))", code: 1, status: 'FAILED' },
  {
    fault: 'abort()',
    after: 'await new Promise((go) => setTimeout(go, 15)); process.abort()',
    code: null,
    status: 'RUNNING',
    replay: true,
  },
  {
    fault: 'out of memory',
    nodeOptions: ['--max-old-space-size=64'],
    after:
      'await new Promise((go) => setTimeout(go, 15)); const held = []; for (;;) held.push(new Array(1000).fill({}).map(() => ({})))',
    code: null,
    status: 'RUNNING',
    replay: true,
  },
  {
    fault: 'a worker thread ends',
    after:
      "const { Worker } = await import('node:worker_threads'); const w = new Worker('process.exit(0)', { eval: true }); await new Promise((go) => w.on('exit', go)); await endRun()",
  },
  {
    fault: 'a forked child exits',
    after:
      "const { fork } = await import('node:child_process'); const c = fork('-e', [], { execArgv: ['-e', 'process.exit(0)'] }); await new Promise((go) => c.on('exit', go)); await endRun()",
  },
  {
    fault: 'event loop blocked for 3 s',
    after: 'const until = performance.now() + 3000; while (performance.now() < until); await endRun()',
  },
  {
    fault: 'clock an hour back',
    before: 'const now = Date.now; let back = 0; Date.now = () => now() - back;',
    after: "back = 3_600_000; logMetric('loss', 1, 3000); await endRun()",
  },
  {
    fault: 'clock ten years ahead',
    before: 'const now = Date.now; let ahead = 0; Date.now = () => now() + ahead;',
    after: "ahead = 10 * 365 * 86_400_000; logMetric('loss', 1, 3000); await endRun()",
  },
]

/** Sends a signal when a child has logged, and perhaps another one. */
function strike(signal: NodeJS.Signals, later: Case['later']): NonNullable<ChildOptions['onStdout']> {
  let isStruck = false
  return (all, kill) => {
    if (isStruck || !all.includes('logged')) return
    isStruck = true
    kill(signal)
    if (later) setTimeout(() => kill(later[0]), later[1])
  }
}

const script = ({ before = '', after = 'await endRun()' }: Case) => `${before}
  await startRun()
  for (let i = 0; i < ${COUNT}; i++) {
    logMetric('loss', i % 100 === 7 ? NaN : i / 3, i)
    if (i % 500 === 0) await new Promise((later) => setTimeout(later, 20))
  }
  ${after}`

describe('a process that meets a fault', () => {
  it.each(cases)('$fault', async (of) => {
    const at = await stand()
    for (const fault of of.faults ?? []) at.server?.faults.add(fault)
    const options: Partial<ChildOptions> = {
      ...(of.nodeOptions ? { nodeOptions: of.nodeOptions } : {}),
      ...(of.signal ? { onStdout: strike(of.signal, of.later) } : {}),
    }
    const ended = await at.run(script(of), options)
    if (of.replay) await at.replay()
    const seen = await at.outcome(ended)
    const logged = of.fault.startsWith('clock') ? COUNT + 1 : COUNT
    const { copies = 1 } = of
    if (copies > 1) at.remark('by the network alone: a store of files adds what it gets')
    expect(seen.steps).toHaveLength(copies * logged)
    expect(seen).toMatchObject({
      twice: (copies - 1) * logged,
      runs: 1,
      code: of.code === undefined ? 0 : of.code,
      status: of.status ?? 'FINISHED',
    })
    expect(at.left()).toEqual([])
    await at.stop()
  })
})

describe('a server in a process of its own', () => {
  it.each(['frozen for three seconds', 'restarted'])('%s', async (what) => {
    const at = await stand()
    await at.stop()
    const index = await built()
    const serve = (): Promise<ChildProcess> =>
      new Promise((resolve) => {
        const source = `const { startTestServer } = await import(${JSON.stringify(index.replace(/index\.js$/, 'testing.js'))})
          await startTestServer({ port: ${at.port}, dir: ${JSON.stringify(join(at.cwd, 'server'))} }); console.log('up')`
        const server = spawn(process.execPath, ['--input-type=module', '-e', source])
        server.stdout.once('data', () => resolve(server))
      })
    let server = await serve()
    let struck = false
    const strike = async (): Promise<void> => {
      if (struck) return
      struck = true
      if (what === 'restarted') {
        server.kill('SIGKILL')
        await new Promise((later) => setTimeout(later, 1000))
        server = await serve()
      } else {
        server.kill('SIGSTOP')
        await new Promise((later) => setTimeout(later, 3000))
        server.kill('SIGCONT')
      }
    }
    const ended = await at.run(
      script({ fault: what, before: "console.log('begun');" }).replace('i % 500 === 0', 'i % 10 === 0'),
      { onStdout: (all) => void (all.includes('begun') && setTimeout(() => void strike(), 1200)) },
    )
    const seen = await at.outcome(ended)
    server.kill('SIGKILL')
    expect(struck).toBe(true)
    expect(seen.steps).toHaveLength(COUNT)
    expect(seen).toMatchObject({ twice: 0, runs: 1, code: 0, status: 'FINISHED' })
  })
})
