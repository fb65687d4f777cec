import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { openLog, type SpoolLog } from '../../src/spool/log.js'
import { type Lookout, logLookout } from '../../src/spool/lookout.js'
import { logMemory } from '../../src/spool/memory.js'
import { tempDir } from '../support/temp-dir.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A log as the thread that logs sees it, watched by a lookout as if that were in another one. */
function watched(lookout: Lookout, name = 'run', held: () => boolean = () => true) {
  const dir = join(tempDir(), name)
  mkdirSync(dir)
  const log = openLog(dir)
  const other = openLog(dir, { memory: logMemory(log.memory.buffer) })
  const is = { stirred: 0, more: 0 }
  log.watchedBy({
    stir() {
      is.stirred++
      lookout.watch(other, held, () => is.more++)
    },
    key: other.addKey,
  })
  log.addKey('loss')
  return { log, is }
}

const put = (log: SpoolLog, count: number) => {
  for (let n = 0; n < count; n++) log.put(0, n, n, Date.now())
}

it('what is left goes to disk, and who leaves it knows how long ago, until nothing more comes', () => {
  const lookout = logLookout()
  const { log, is } = watched(lookout)
  expect(log.seenAgo(Date.now())).toBe(Number.POSITIVE_INFINITY)
  log.stir(true)
  for (let n = 1; n <= 50; n++) {
    put(log, 2)
    vi.advanceTimersByTime(3)
    expect(log.waiting).toBe(0)
    expect(log.seenAgo(Date.now())).toBe(0)
    expect(log.seenAgo(Date.now() + 4)).toBe(4)
  }
  expect(log.written.points).toBe(100)
  vi.advanceTimersByTime(30)
  expect(log.seenAgo(Date.now())).toBeGreaterThan(1000)
  expect(log.watching).toBe(1)
  vi.advanceTimersByTime(1000)
  expect(log.watching).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
  // Who delivers is told now and then, and of the last.
  expect(is).toEqual({ stirred: 1, more: 3 })
})

it('a clock that was set back tells of nothing seen', () => {
  const lookout = logLookout()
  const { log } = watched(lookout)
  log.stir(true)
  vi.advanceTimersByTime(3)
  expect(log.seenAgo(Date.now() - 1)).toBe(Number.POSITIVE_INFINITY)
})

it('a loop that writes most itself is not seen to, and what it leaves at its end is written', () => {
  const lookout = logLookout()
  const { log } = watched(lookout)
  log.stir(true)
  for (let n = 0; n < 10; n++) {
    put(log, 500)
    log.pour()
    put(log, 100)
    vi.advanceTimersByTime(3)
    expect(log.waiting).toBe(100)
    expect(log.seenAgo(Date.now())).toBeGreaterThan(1000)
    log.pour()
  }
  put(log, 300)
  vi.advanceTimersByTime(6)
  expect(log.waiting).toBe(0)
})

it('a folder that is not held, or of which the disk does not tell, is not written to, and its thread is told', () => {
  const lookout = logLookout()
  let answer = (): boolean => false
  const { log } = watched(lookout, 'run', () => answer())
  log.stir(true)
  put(log, 1)
  vi.advanceTimersByTime(150)
  expect([log.waiting, log.seenAgo(Date.now()) > 1000]).toEqual([1, true])
  answer = () => {
    throw new Error('EIO')
  }
  vi.advanceTimersByTime(150)
  expect([log.waiting, log.seenAgo(Date.now()) > 1000]).toEqual([1, true])
  answer = () => true
  vi.advanceTimersByTime(150)
  expect(log.waiting).toBe(0)
})

it('what has a key that is not known yet waits for it, and its thread is told', () => {
  const lookout = logLookout()
  const dir = tempDir()
  const log = openLog(dir)
  const other = openLog(dir, { memory: logMemory(log.memory.buffer) })
  log.watchedBy({ stir: () => lookout.watch(other, () => true, vi.fn()), key() {} })
  log.addKey('loss')
  put(log, 1)
  log.stir(true)
  vi.advanceTimersByTime(3)
  expect([log.waiting, log.seenAgo(Date.now()) > 1000]).toEqual([1, true])
  other.addKey('loss')
  vi.advanceTimersByTime(3)
  expect([log.waiting, log.seenAgo(Date.now())]).toEqual([0, 0])
})

it('beside a log that is looked at closely others are looked at as seldom as ever, and as long', () => {
  const lookout = logLookout()
  const [dense, sparse] = [watched(lookout, 'dense'), watched(lookout, 'sparse')]
  dense.log.stir(true)
  for (let n = 0; n < 100; n++) {
    put(dense.log, 1)
    if (n % 25 === 0) {
      put(sparse.log, 1)
      sparse.log.pour()
      sparse.log.stir(false)
    }
    vi.advanceTimersByTime(3)
  }
  expect(sparse.is).toEqual({ stirred: 1, more: 3 })
  expect(dense.is.stirred).toBe(1)
})

it('one that is forgotten, and all when it closes, are seen to no more', () => {
  const lookout = logLookout()
  const { log } = watched(lookout)
  log.stir(true)
  vi.advanceTimersByTime(3)
  expect(log.seenAgo(Date.now())).toBe(0)
  lookout.close()
  expect([log.watching, log.seenAgo(Date.now())]).toEqual([0, Number.POSITIVE_INFINITY])
  expect(vi.getTimerCount()).toBe(0)
})
