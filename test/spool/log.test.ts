import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import type { BatchMetric } from '../../src/core/batch.js'
import { metricRing } from '../../src/core/ring.js'
import { InvalidParameterError } from '../../src/errors.js'
import { type Acks, beginAcks, type Known, openAcks, type Stretch } from '../../src/spool/acks.js'
import { MOST_BYTES, unframe } from '../../src/spool/frame.js'
import { openLog, type SpoolLog, segmentFile } from '../../src/spool/log.js'
import { logLookout } from '../../src/spool/lookout.js'
import { logMemory } from '../../src/spool/memory.js'
import { ranges } from '../../src/spool/ranges.js'
import { reader } from '../../src/spool/reader.js'
import { decode, encodePoints, encodeSteps, type SpoolRecord } from '../../src/spool/records.js'
import { openTail } from '../../src/spool/tail.js'
import { tempDir } from '../support/temp-dir.js'

const point = (step: number, key = 'loss'): BatchMetric => ({
  key,
  value: step / 3,
  timestamp: 1_700_000_000_000,
  step,
})
const points = (count: number, from = 0) => Array.from({ length: count }, (_, i) => point(from + i))

/** All records of a log that nobody writes to any more. */
function readAll(dir: string): { records: SpoolRecord[]; damaged: number } {
  const tail = openTail(dir, () => false)
  const records: SpoolRecord[] = []
  for (let record = tail.next(); record; record = tail.next()) records.push(record)
  return { records, damaged: tail.damaged }
}

/** What a record's frame holds. */
const payloadOf = (record: Buffer): Buffer => unframe(record, true).payloads[0]!

function pointsOf(record: SpoolRecord | undefined): BatchMetric[] {
  if (record?.kind !== 'points') throw new Error('no points')
  const ring = metricRing(Math.max(1, record.count))
  record.into(ring, 0, record.count)
  return ring.take(record.count)
}

describe('a record', () => {
  it('keeps every number, key, model and dataset as it is', () => {
    const all = fc.array(
      fc.record(
        {
          key: fc.string({ minLength: 1 }),
          value: fc.oneof(fc.double(), fc.constantFrom(Number.NaN, -0, Number.POSITIVE_INFINITY)),
          timestamp: fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n })),
          step: fc.oneof(fc.integer(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
          model_id: fc.string(),
          dataset_name: fc.string(),
          dataset_digest: fc.string(),
        },
        { requiredKeys: ['key', 'value', 'timestamp', 'step'] },
      ),
    )
    fc.assert(
      fc.property(all, fc.nat(), (list, first) => {
        // A dataset's digest comes with its name.
        const whole = list.map(({ dataset_digest, ...rest }) =>
          rest.dataset_name === undefined ? rest : { ...rest, dataset_digest },
        )
        const read = decode(payloadOf(encodePoints(first, whole as BatchMetric[])))
        expect(read).toMatchObject({ kind: 'points', first, count: whole.length })
        expect(pointsOf(read)).toEqual(whole)
      }),
    )
  })

  it('of steps keeps them in order', () => {
    const steps = [{ param: { key: 'a', value: '1' } }, { call: 'deleteTag', input: { key: 'ü' } }]
    expect(decode(payloadOf(encodeSteps(7, steps)))).toEqual({ kind: 'steps', first: 7, count: 2, steps })
  })
})

describe('a log', () => {
  it('is read in the order in which it was written, over all its files, also while it grows', () => {
    const dir = tempDir()
    const log = openLog(dir, { segmentBytes: 2000 })
    const tail = openTail(dir, () => true)
    let expected = 0
    for (let round = 0; round < 200; round++) {
      log.points(points(1 + (round % 7), expected))
      const record = tail.next()
      expect(record).toMatchObject({ kind: 'points', first: expected })
      expected += 1 + (round % 7)
      expect(tail.next()).toBeUndefined()
      tail.forget({ points: expected, steps: 0 })
    }
    expect(log.written).toMatchObject({ points: expected, steps: 0 })
    expect(readdirSync(dir).length).toBeLessThan(3)
    log.close()
  })

  it('cut at any byte keeps every record that is whole', () => {
    const dir = tempDir()
    const log = openLog(dir)
    for (let i = 0; i < 5; i++) log.points(points(3, i * 3))
    log.close()
    const whole = readFileSync(segmentFile(dir, 0))
    const size = whole.length / 5
    for (let length = whole.length; length >= 0; length--) {
      truncateSync(segmentFile(dir, 0), length)
      const { records, damaged } = readAll(dir)
      expect(records).toHaveLength(Math.floor(length / size))
      expect(damaged).toBe(0)
    }
  })

  it('with a damaged byte loses that record alone, and counts it', () => {
    const dir = tempDir()
    const log = openLog(dir)
    for (let i = 0; i < 5; i++) log.points(points(3, i * 3))
    log.close()
    const whole = readFileSync(segmentFile(dir, 0))
    const size = whole.length / 5
    for (let at = 0; at < whole.length; at++) {
      const bad = Buffer.from(whole)
      bad[at] = bad[at]! ^ 0x40
      writeFileSync(segmentFile(dir, 0), bad)
      const { records, damaged } = readAll(dir)
      const hit = Math.floor(at / size)
      expect(records.map(({ first }) => first / 3)).toEqual([0, 1, 2, 3, 4].filter((n) => n !== hit))
      // A damaged length at the very end looks like a record that was cut.
      if (hit < 4) expect(damaged).toBeGreaterThan(0)
    }
  })

  it('never makes its reader throw, whatever stands there', () => {
    const good = Buffer.from(encodePoints(0, points(4)))
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc.constant(good),
      fc.constant(Buffer.alloc(64)),
      fc.nat({ max: good.length }).map((cut) => good.subarray(0, cut)),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const bytes = Buffer.concat(pieces)
        for (const last of [true, false]) for (const payload of unframe(bytes, last).payloads) decode(payload)
        expect(unframe(bytes, true).used).toBe(bytes.length)
      }),
      { numRuns: 2000 },
    )
  })

  it('whose file is removed while it is written goes on in another one, by whichever thread', () => {
    const dir = tempDir()
    const log = openLog(dir)
    const other = openLog(dir, { memory: logMemory(log.memory.buffer) })
    log.points(points(2))
    log.points(points(2, 2))
    rmSync(segmentFile(dir, 0))
    log.points(points(2, 4))
    expect(readAll(dir).records.map(({ first }) => first)).toEqual([4])
    log.points(points(2, 6))
    other.points(points(2, 8))
    rmSync(segmentFile(dir, 0))
    other.points(points(2, 10))
    log.points(points(2, 12))
    log.points(points(2, 14))
    expect(readAll(dir).records.map(({ first }) => first)).toEqual([10, 12, 14])
    rmSync(dir, { recursive: true })
    expect(() => log.points(points(2, 16))).toThrow(/append/)
    expect(log.written.points).toBe(16)
  })

  it('with something else in a file between goes on behind it', () => {
    const dir = tempDir()
    const log = openLog(dir, { segmentBytes: 1 })
    log.points(points(2))
    log.points(points(2, 2))
    log.points(points(2, 4))
    log.close()
    writeFileSync(segmentFile(dir, 1), Buffer.alloc(300_000))
    const { records, damaged } = readAll(dir)
    expect(records.map(({ first }) => first)).toEqual([0, 4])
    expect(damaged).toBe(1)
  })
})

describe('what is too long for one record', () => {
  const long = 'x'.repeat(65 << 20)
  const steps = [{ call: 'logInputs', input: { datasets: [{ dataset: { name: 'd', profile: long } }] } }]

  it('is refused, and neither what stands before it nor what comes behind it is harmed', () => {
    const dir = tempDir()
    const log = openLog(dir)
    log.points(points(2))
    expect(() => log.steps(steps)).toThrow(InvalidParameterError)
    expect(() => log.steps(steps)).toThrow(/64 MiB.*several calls/)
    expect(() => log.points([{ ...point(2), dataset_name: long, dataset_digest: 'd' }])).toThrow(InvalidParameterError)
    expect(log.written).toMatchObject({ points: 2, steps: 0 })
    log.points(points(2, 2))
    log.steps([{ param: { key: 'a', value: '1' } }])
    log.close()
    const { records, damaged } = readAll(dir)
    expect(damaged).toBe(0)
    expect(records.map(({ kind, first, count }) => [kind, first, count])).toEqual([
      ['points', 0, 2],
      ['points', 2, 2],
      ['steps', 0, 1],
    ])
  })

  it('is that alone: what just fits is read again', () => {
    const dir = tempDir()
    const log = openLog(dir)
    const fits = [{ param: { key: 'a', value: long.slice(0, MOST_BYTES - 60) } }]
    log.steps(fits)
    log.close()
    const { records, damaged } = readAll(dir)
    expect(damaged).toBe(0)
    expect(records).toHaveLength(1)
    expect(records[0]?.kind === 'steps' && records[0].steps[0]).toEqual(fits[0])
  })
})

function pathOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return ''
  }
}

describe('points in the memory of a log', () => {
  const put = (log: SpoolLog, count: number, from = 0) => {
    let taken = 0
    for (let i = from; i < from + count && log.put(i % log.names.length, i / 3, i, 1_700_000_000_000 + i); i++) taken++
    return taken
  }
  const expected = (count: number, names: readonly string[], from = 0) =>
    Array.from({ length: count }, (_, n) => from + n).map((i) => ({
      key: names[i % names.length],
      value: i / 3,
      step: i,
      timestamp: 1_700_000_000_000 + i,
    }))

  it('are written by whichever thread comes first, once each and in order', () => {
    const dir = tempDir()
    const log = openLog(dir, { segmentBytes: 20_000 })
    const other = openLog(dir, { memory: logMemory(log.memory.buffer), segmentBytes: 20_000 })
    log.watchedBy({ stir() {}, key: other.addKey })
    for (const name of ['loss', 'accuracy', 'ü']) log.addKey(name)
    let next = 0
    for (let round = 0; round < 60; round++) {
      next += put(log, 1 + ((round * 37) % 150), next)
      if (round % 3 !== 0) (round % 2 === 0 ? log : other).pour()
    }
    log.pour()
    expect(log.waiting).toBe(0)
    expect(log.written.points).toBe(next)
    log.close()
    other.letGo()
    const { records, damaged } = readAll(dir)
    expect(damaged).toBe(0)
    expect(records.flatMap((record) => pointsOf(record))).toEqual(expected(next, log.names))
  })

  it('are refused when there is no room, and can be taken out', () => {
    const log = openLog(tempDir())
    log.addKey('loss')
    const room = put(log, 100_000)
    expect(room).toBe(log.waiting)
    expect(log.take(10)).toEqual(expected(10, ['loss']))
    expect(put(log, 100, room)).toBe(10)
    expect(log.take(100_000)).toEqual(expected(room, ['loss'], 10))
    expect(log.written.points).toBe(0)
  })

  it('with a key that the other thread has not heard of wait for it', () => {
    const dir = tempDir()
    const log = openLog(dir)
    const other = openLog(dir, { memory: logMemory(log.memory.buffer) })
    log.addKey('a')
    log.addKey('b')
    other.addKey('a')
    put(log, 4)
    other.pour()
    expect(log.waiting).toBe(3)
    other.addKey('b')
    other.pour()
    expect(log.waiting).toBe(0)
    expect(readAll(dir).records.flatMap((record) => pointsOf(record))).toEqual(expected(4, ['a', 'b']))
  })

  it('that the disk does not take stay there', () => {
    const dir = tempDir()
    const log = openLog(join(dir, 'file', 'run'))
    log.addKey('loss')
    writeFileSync(join(dir, 'file'), '')
    put(log, 5)
    expect(() => log.pour()).toThrow(/append/)
    expect(log.waiting).toBe(5)
    rmSync(join(dir, 'file'))
    // Whoever removes a run's folder does not find it there again.
    expect(() => log.pour()).toThrow(/append/)
    mkdirSync(join(dir, 'file', 'run'), { recursive: true })
    log.pour()
    expect(log.written.points).toBe(5)
  })

  it('are looked for by the other thread when they are left, and that thread rests again', async () => {
    const dir = tempDir()
    const log = openLog(dir)
    const other = openLog(dir, { memory: logMemory(log.memory.buffer) })
    const lookout = logLookout()
    let stirred = 0
    let grown = 0
    log.watchedBy({
      stir() {
        stirred++
        lookout.watch(
          other,
          () => true,
          () => grown++,
        )
      },
      key: other.addKey,
    })
    log.addKey('loss')
    for (let round = 0; round < 3; round++) {
      put(log, 5, round * 5)
      log.stir(true)
      await vi.waitFor(() => expect(log.waiting).toBe(0), 10_000)
    }
    await vi.waitFor(() => expect(log.watching).toBe(0), 10_000)
    // Of what comes closely it is told once.
    expect(grown).toBeGreaterThanOrEqual(1)
    expect(grown).toBeLessThanOrEqual(3)
    expect(stirred).toBeLessThanOrEqual(3)
    // Where the system tells of descriptors: none is held by a thread that only looked.
    const fds = existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd') : []
    expect(fds.filter((fd) => pathOf(fd).startsWith(dir))).toEqual([])
    expect(readAll(dir).records.flatMap((record) => pointsOf(record))).toEqual(expected(15, ['loss']))
  })
})

/** A folder with notes, there with all that is in it. */
function begun(dir: string, known?: Partial<Known>): void {
  mkdirSync(`${dir}-staged`)
  beginAcks(`${dir}-staged`, known)
  renameSync(`${dir}-staged`, dir)
}

/** That it has arrived, on disk. */
function arrive(acks: Acks, stretch: Stretch): void {
  acks.arrived(stretch)
  acks.settle()
}

describe('the notes of a delivery', () => {
  it('are there again, also behind a line that was cut', () => {
    const dir = tempDir()
    const acks = openAcks(dir)
    acks.trying({ lane: 'points', first: 0, count: 10 })
    arrive(acks, { lane: 'points', first: 0, count: 10 })
    acks.trying({ lane: 'points', first: 10, count: 5 })
    acks.mapped('abc')
    acks.close()
    appendFileSync(join(dir, 'delivered'), '12345678 d p 10')
    const again = openAcks(dir)
    expect(again.done.points.watermark).toBe(10)
    expect(again.tried).toEqual([{ lane: 'points', first: 10, count: 5 }])
    expect(again.runId).toBe('abc')
    again.refuse({ lane: 'points', first: 10, count: 5 })
    again.close()
    const last = openAcks(dir)
    expect(last).toMatchObject({ refused: 5, tried: [] })
    expect(last.done.points.watermark).toBe(15)
  })

  it.skipIf(process.platform === 'win32').each(['moved', 'removed'])(
    'go on in a folder that was made anew, and in the one that was %s as far as that is left',
    (how) => {
      const dir = join(tempDir(), 'run')
      const moved = `${dir}-moved`
      const points = (first: number, count: number) => ({ lane: 'points', first, count }) as const
      mkdirSync(dir)
      const acks = openAcks(dir)
      acks.mapped('abc')
      for (const first of [0, 20]) arrive(acks, points(first, 10))
      acks.trying(points(30, 10))
      renameSync(dir, moved)
      if (how === 'removed') rmSync(moved, { recursive: true })
      arrive(acks, points(30, 5))
      begun(dir, { done: { points: 10, steps: 0 }, runId: 'abc' })
      expect(openAcks(dir)).toMatchObject({ runId: 'abc', done: { points: { watermark: 10 }, steps: { size: 0 } } })
      acks.refuse(points(10, 10))
      arrive(acks, points(35, 5))
      acks.close()
      const [here, there] = [openAcks(dir), openAcks(moved)]
      expect(here).toMatchObject({ runId: 'abc', tried: [points(30, 10)] })
      expect(here.done.points.stretches).toEqual([{ first: 0, count: 40 }])
      // What was lost to the one is still in the other.
      const left = [points(0, 10), points(20, 20)].map(({ first, count }) => ({ first, count }))
      expect(there.done.points.stretches).toEqual(how === 'moved' ? left : [])
    },
  )

  const stretch = (first: number) => ({ lane: 'points', first, count: 5 }) as const

  it('tell of points that arrived together with what goes out next; until then those count as tried', () => {
    const dir = tempDir()
    beginAcks(dir)
    const acks = openAcks(dir)
    acks.trying(stretch(0))
    acks.arrived(stretch(0))
    expect(acks).toMatchObject({ tried: [], done: { points: { watermark: 5 } } })
    expect(openAcks(dir)).toMatchObject({ tried: [stretch(0)], done: { points: { watermark: 0 } } })
    acks.trying(stretch(5))
    expect(openAcks(dir)).toMatchObject({ tried: [stretch(5)], done: { points: { watermark: 5 } } })
    acks.arrived(stretch(5))
    acks.close()
    expect(openAcks(dir)).toMatchObject({ tried: [], done: { points: { watermark: 10 } } })
  })

  it('tell of steps that arrived at once: their files are removed after it', () => {
    const dir = tempDir()
    beginAcks(dir)
    const acks = openAcks(dir)
    acks.arrived({ lane: 'steps', first: 0, count: 2 })
    expect(openAcks(dir).done.steps.watermark).toBe(2)
    acks.close()
  })

  it('are written once though an heir has added to them', () => {
    const dir = tempDir()
    beginAcks(dir)
    const acks = openAcks(dir)
    arrive(acks, stretch(0))
    const heir = openAcks(dir)
    arrive(heir, stretch(5))
    arrive(acks, stretch(10))
    for (const one of [acks, heir]) one.close()
    expect(readFileSync(join(dir, 'delivered'), 'utf8').match(/ d /g)).toHaveLength(3)
    expect(openAcks(dir).done.points.watermark).toBe(15)
  })

  it.skipIf(process.platform === 'win32')('go on whole in a folder that is made anew while one is written', () => {
    const dir = join(tempDir(), 'run')
    begun(dir)
    const acks = openAcks(dir)
    arrive(acks, stretch(0))
    rmSync(dir, { recursive: true })
    const { from } = Buffer
    vi.spyOn(Buffer, 'from').mockImplementationOnce(((text: string) => {
      begun(dir)
      return from(text)
    }) as typeof from)
    arrive(acks, stretch(5))
    vi.restoreAllMocks()
    acks.close()
    expect(openAcks(dir).done.points.watermark).toBe(10)
  })

  it.skipIf(process.platform !== 'linux')('let go of a folder that was moved and then removed', async () => {
    const dir = join(tempDir(), 'run')
    begun(dir)
    const acks = openAcks(dir)
    arrive(acks, stretch(0))
    renameSync(dir, `${dir}-moved`)
    begun(dir)
    arrive(acks, stretch(5))
    rmSync(`${dir}-moved`, { recursive: true })
    arrive(acks, stretch(10))
    const open = () => readdirSync('/proc/self/fd').map(pathOf)
    await vi.waitFor(() => expect(open().filter((file) => file.startsWith(`${dir}-moved`))).toEqual([]))
    acks.close()
  })

  it('have what arrived on disk before its file of the log goes', () => {
    const dir = tempDir()
    beginAcks(dir)
    const log = openLog(dir, { segmentBytes: 1 })
    for (const from of [0, 5, 10]) log.points(points(5, from))
    const acks = openAcks(dir)
    const { done, tried } = acks
    const reading = reader({
      dir,
      acks,
      written: () => log.written,
      turn: undefined,
      free: undefined,
      making: undefined,
      onLost: () => {},
      tally: () => ({ taken: 0, again: 0 }) as never,
    })
    reading.fill()
    for (const first of [0, 5]) acks.arrived(stretch(first))
    expect(done.points.watermark).toBe(10)
    expect(tried).toEqual([])
    reading.forget()
    expect(existsSync(segmentFile(dir, 0))).toBe(false)
    expect(openAcks(dir).done.points.watermark).toBe(10)
    log.close()
    acks.close()
  })

  it('know which numbers are missing', () => {
    const stretch = fc.record({ first: fc.nat({ max: 60 }), count: fc.nat({ max: 20 }) })
    fc.assert(
      fc.property(fc.array(stretch), stretch, (stretches, { first, count }) => {
        const set = ranges()
        const model = new Set<number>()
        for (const { first: from, count: many } of stretches) {
          set.add(from, many)
          for (let i = from; i < from + many; i++) model.add(i)
        }
        const missing = set
          .missing(first, count)
          .flatMap((gap) => Array.from({ length: gap.count }, (_, i) => gap.first + i))
        expect(missing).toEqual(Array.from({ length: count }, (_, i) => first + i).filter((n) => !model.has(n)))
        expect(set.size).toBe(model.size)
        let watermark = 0
        while (model.has(watermark)) watermark++
        expect(set.watermark).toBe(watermark)
      }),
    )
  })
})
