/** What a call costs the one who makes it. */
import { join } from 'node:path'
import { pino } from 'pino'
import { cairn, type Row, turn } from './rows.js'

/** Points in a round: one batch. */
const ROUND = 1000
const ROUNDS = 500

/** Nanoseconds per call of each act: rounds of calls in turn, what runs between them (a drain, say) not counted. */
async function cost(calls: number, acts: readonly ((index: number) => void)[]): Promise<number[]> {
  const spent = acts.map(() => 0)
  for (let round = -50; round < ROUNDS; round++)
    for (const [which, act] of acts.entries()) {
      const from = performance.now()
      for (let index = 0; index < calls; index++) act(index)
      if (round >= 0) spent[which]! += performance.now() - from
      await turn()
    }
  return spent.map((ms) => (ms * 1e6) / (calls * ROUNDS))
}

/** The share of calls that took over a millisecond; `yields` lets the event loop turn after each round. */
async function slow(act: (index: number) => void, yields: boolean): Promise<number> {
  let over = 0
  for (let round = 0; round < ROUNDS; round++) {
    for (let index = 0; index < ROUND; index++) {
      const from = performance.now()
      act(index)
      if (performance.now() - from > 1) over++
    }
    if (yields) await turn()
  }
  return over / (ROUND * ROUNDS)
}

const ns = (number: number, name = '') => `${name}${Math.round(number)} ns`
const perMillion = (share: number, name = '') => `${name}${Math.round(share * 1e6)} in a million`

export async function callerRows(dir: string): Promise<Row[]> {
  const { createClient } = await cairn()
  const client = createClient({ trackingUri: join(dir, 'caller') })
  const run = await client.startRun()
  const logger = pino(pino.destination(join(dir, 'pino.log')))
  let queue: object[] = []
  const push = (key: string, value: number, step: number) => {
    if (queue.length >= ROUND) queue = []
    queue.push({ key, value, step, timestamp: Date.now() })
  }
  const keys = Array.from({ length: 20 }, (_, index) => `layer${index}/loss`)
  const record = (index: number) => Object.fromEntries(keys.map((key) => [key, index * 0.1]))
  const records = Array.from({ length: ROUND }, (_, index) => record(index))
  const log = (index: number) => run.logMetric('loss', index * 0.1, index)

  const [logMetric = 0, pushed = 0, info = 0] = await cost(ROUND, [
    log,
    (index) => push('loss', index * 0.1, index),
    (index) => logger.info({ key: 'loss', value: index * 0.1, step: index }),
  ])
  const [logMetrics = 0, pushed20 = 0] = await cost(ROUND / keys.length, [
    (index) => run.logMetrics(records[index]!, { step: index }),
    (index) => {
      for (const [key, value] of Object.entries(records[index]!)) push(key, value, index)
    },
  ])
  await run.flush()
  const nothing = () => {}
  const [control, some, controlBusy, someBusy] = [
    await slow(nothing, true),
    await slow(log, true),
    await slow(nothing, false),
    await slow(log, false),
  ]
  await run.end()
  await client.close()
  const over = (what: string, ours: number, empty: number): Row => ({
    what: `logMetric, calls over 1 ms${what}`,
    ours: perMillion(ours),
    beside: perMillion(empty, 'empty loop '),
    ratio: ours === empty ? 1 : ours / empty,
    aim: 'about 1',
  })
  return [
    {
      what: 'logMetric, in the caller',
      ours: ns(logMetric),
      beside: ns(pushed, 'object push '),
      ratio: logMetric / pushed,
      aim: 'at most 1',
    },
    { what: 'logMetric, in the caller', ours: ns(logMetric), beside: ns(info, 'pino.info '), ratio: logMetric / info },
    {
      what: 'logMetrics of 20 keys',
      ours: ns(logMetrics),
      beside: ns(pushed20, '20 object pushes '),
      ratio: logMetrics / pushed20,
    },
    over('', some, control),
    over(', never yielding', someBusy, controlBusy),
  ]
}
