import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { build } from 'tsup'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { metricRing } from '../../src/core/ring.js'
import { UnavailableError } from '../../src/errors.js'
import { openLog, type SpoolLog } from '../../src/spool/log.js'
import { roomMemory } from '../../src/spool/room.js'
import { openTail } from '../../src/spool/tail.js'
import { tempDir } from '../support/temp-dir.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
let built: string
beforeAll(async () => {
  mkdirSync(join(root, 'node_modules', '.cache'), { recursive: true })
  built = mkdtempSync(join(root, 'node_modules', '.cache', 'cairn-log-'))
  const entry = { log: join(root, 'src/spool/log.ts'), memory: join(root, 'src/spool/memory.ts') }
  await build({
    config: false,
    silent: true,
    entry,
    format: 'esm',
    target: 'node20.19',
    splitting: true,
    outDir: built,
  })
})
afterAll(() => rmSync(built, { recursive: true, force: true }))

/** Pours a log's memory and stands still for ever before its n-th change of what both threads see, or after it. */
const POURS = `
  const { workerData, parentPort } = require('node:worker_threads')
  const { built, dir, buffer, names, n, after } = workerData
  Promise.all([import(built + '/log.js'), import(built + '/memory.js')]).then(([{ openLog }, { logMemory }]) => {
    const log = openLog(dir, { memory: logMemory(buffer) })
    for (const name of names) log.addKey(name)
    const gate = new Int32Array(new SharedArrayBuffer(4))
    let changes = 0
    const die = () => {
      parentPort.postMessage('dies')
      Atomics.wait(gate, 0, 0)
    }
    for (const name of ['store', 'add', 'sub', 'exchange', 'compareExchange']) {
      const change = Atomics[name]
      Atomics[name] = (...args) => {
        changes++
        if (changes === n && !after) die()
        const before = change(...args)
        if (changes === n && after) die()
        return before
      }
    }
    log.pour()
    parentPort.postMessage('lives')
  })`

/** Lets another thread pour, and end in the middle of that; answers whether it came so far. */
async function pouredByOneThatDies(dir: string, log: SpoolLog, n: number, after: boolean): Promise<boolean> {
  const workerData = { built: pathToFileURL(built).href, dir, buffer: log.memory.buffer, names: log.names, n, after }
  const worker = new Worker(POURS, { eval: true, workerData, execArgv: [] })
  const said = await new Promise<string>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  await worker.terminate()
  return said === 'dies'
}

function stepsIn(dir: string): number[] {
  const tail = openTail(dir, () => false)
  const steps: number[] = []
  let read = 0
  for (let record = tail.next(); record; record = tail.next()) {
    if (record.kind !== 'points') continue
    // As the delivery does: what is there twice is taken once, and what is missing is lost.
    expect(record.first).toBeLessThanOrEqual(read)
    const known = Math.min(record.count, read - record.first)
    const ring = metricRing(512)
    record.into(ring, known, record.count - known)
    read = record.first + known + ring.size
    steps.push(...ring.take(512).map(({ step }) => Number(step)))
  }
  expect(tail.damaged).toBe(0)
  return steps
}

describe('a thread that ends while it writes points down', () => {
  const moments = Array.from({ length: 12 }, (_, n) => n + 1).flatMap((n) => [[n, false] as const, [n, true] as const])

  it.each(moments)('at its step %i (behind it: %s) leaves each of them once', async (n, after) => {
    const dir = tempDir()
    const log = openLog(dir)
    let logged = 0
    const put = (count: number) => {
      for (let i = 0; i < count; i++, logged++) expect(log.put(0, logged, logged, 1)).toBe(true)
    }
    log.watchedBy({ stir() {}, key() {} })
    log.addKey('loss')
    // Round the end of the ring, so that it goes in two stretches.
    put(400)
    log.pour()
    put(300)
    const died = await pouredByOneThatDies(dir, log, n, after)
    expect(died).toBe(true)
    log.watchedBy(undefined)
    put(50)
    log.points([{ key: 'odd', value: logged, step: logged, timestamp: 1 }])
    logged++
    put(50)
    log.pour()
    expect(log.written.points).toBe(logged)
    expect(log.waiting).toBe(0)
    log.close()
    const steps = stepsIn(dir)
    expect(new Set(steps).size).toBe(steps.length)
    expect(steps.toSorted((a, b) => a - b)).toEqual(Array.from({ length: logged }, (_, i) => i))
  })
  it('and a disk that takes nothing just then lead to none that go by two ways', async () => {
    const dir = tempDir()
    let isFull = false
    const take = () => {
      if (isFull) throw new UnavailableError('full')
    }
    const log = openLog(dir, { room: { take, give: () => {}, look: () => {}, memory: roomMemory() } })
    log.addKey('loss')
    for (let i = 0; i < 5; i++) log.put(0, i, i, 1)
    // It has written them and not yet said so.
    expect(await pouredByOneThatDies(dir, log, 3, true)).toBe(true)
    log.watchedBy(undefined)
    expect(stepsIn(dir)).toHaveLength(5)
    isFull = true
    log.put(0, 5, 5, 1)
    expect(() => log.points([{ key: 'odd', value: 6, step: 6, timestamp: 1 }])).toThrow('full')
    expect(log.take(10)).toEqual([])
    isFull = false
    log.points([{ key: 'odd', value: 6, step: 6, timestamp: 1 }])
    log.put(0, 7, 7, 1)
    expect(log.take(10)).toMatchObject([{ step: 7 }])
    log.close()
    expect(stepsIn(dir)).toEqual([0, 1, 2, 3, 4, 5, 6])
  })
})
