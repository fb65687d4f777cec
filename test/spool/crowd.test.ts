import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Courier } from '../../src/spool/courier.js'
import type { Deliverer } from '../../src/spool/deliverer.js'
import { openLog } from '../../src/spool/log.js'
import { outageOf } from '../../src/spool/outage.js'
import { claimOf } from '../../src/spool/owner.js'
import { newRunDir, serverPlace } from '../../src/spool/place.js'
import { replay } from '../../src/spool/replay.js'
import { serverState } from '../../src/spool/server.js'
import { ownHands } from '../../src/wire/hands.js'
import { tempDir } from '../support/temp-dir.js'

const RUNS = 300

/** Runs that deliver side by side, each with one point, to a server that answers when it is told to. */
function crowd(take: (runId: string) => Promise<void>) {
  const place = serverPlace(join(tempDir(), 'spool'), 'http://127.0.0.1:1')
  const courier: Courier = {
    create: async () => '',
    batch: (runId) => take(runId),
    call: async () => {},
    artifact: async () => {},
  }
  const warnings: string[] = []
  const warn = (line: string) => void warnings.push(line)
  const outage = outageOf(place.uri, { warn, info: warn })
  const hands = ownHands({ place, courier: async () => courier, warn, outage })
  const runs = Array.from({ length: RUNS }, (_, index) => {
    const run = { runId: `run${index}`, local: false }
    const dir = newRunDir(place, run)
    const log = openLog(dir)
    log.points([{ key: 'loss', value: 1, timestamp: 1, step: 1 }])
    const delivery = hands.deliver({ dir, run, claim: claimOf(dir, 0), log, watch: {} })
    const end = () => {
      log.close()
      delivery.look()
      return delivery.finished
    }
    return { delivery, end, runId: run.runId }
  })
  return { hands, runs, warnings }
}

const arrived = (delivery: Deliverer) => delivery.until({ points: 1, steps: 0 }, 60_000)

it('however many runs deliver, two requests for each connection are under way, and all arrive once', async () => {
  let underWay = 0
  let most = 0
  const taken: string[] = []
  const { hands, runs, warnings } = crowd(async (runId) => {
    most = Math.max(most, ++underWay)
    await new Promise(setImmediate)
    taken.push(runId)
    underWay--
  })
  const all = await Promise.all(runs.map(({ delivery }) => arrived(delivery)))
  expect(all.every(Boolean)).toBe(true)
  expect(await Promise.all(runs.map(({ end }) => end()))).toEqual(runs.map(() => true))
  expect(most).toBe(20)
  expect(taken.sort()).toEqual(runs.map(({ runId }) => runId).sort())
  expect(warnings).toEqual([])
  await hands.close()
})

it('a run that somebody waits for goes before all others', async () => {
  const taken: string[] = []
  const answers: (() => void)[] = []
  const { hands, runs } = crowd(
    (runId) =>
      new Promise((resolve) => {
        taken.push(runId)
        answers.push(resolve)
      }),
  )
  for (const { delivery } of runs) delivery.look()
  const last = runs.at(-1)!
  const waited = arrived(last.delivery)
  await expect.poll(() => taken.length).toBe(20)
  answers.shift()?.()
  await expect.poll(() => taken.length).toBe(21)
  expect(taken.at(-1)).toBe(last.runId)
  while (answers.length > 0) {
    for (const answer of answers.splice(0)) answer()
    await new Promise(setImmediate)
  }
  expect(await waited).toBe(true)
  for (const { delivery } of runs) void delivery.stop()
  await hands.close()
})

it('many runs that processes have left are delivered side by side, without a word of leaks', async () => {
  const place = serverPlace(join(tempDir(), 'spool'), 'http://127.0.0.1:1')
  for (let index = 0; index < 40; index++) {
    const dir = newRunDir(place, { runId: `run${index}`, local: false })
    const log = openLog(dir)
    log.points([{ key: 'loss', value: 1, timestamp: 1, step: 1 }])
    log.close()
    claimOf(dir, 0).release()
  }
  const warnings: Error[] = []
  const hear = (warning: Error) => void warnings.push(warning)
  process.on('warning', hear)
  const courier: Courier = {
    create: async () => '',
    batch: () => new Promise(setImmediate),
    call: async () => {},
    artifact: async () => {},
  }
  const done = await replay(place, {
    courier,
    server: serverState({ dir: place.dir }),
    signal: new AbortController().signal,
  })
  await new Promise(setImmediate)
  process.off('warning', hear)
  expect(done.filter(({ complete }) => complete)).toHaveLength(40)
  expect(warnings).toEqual([])
})
