import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { InvalidParameterError, NetworkError } from '../../src/errors.js'
import { newRunDir, remakeRunDir, serverPlace } from '../../src/spool/place.js'
import { ownHands } from '../../src/wire/hands.js'
import { openSpool, type Spool } from '../../src/wire/spool.js'
import { tempDir } from '../support/temp-dir.js'

const NOTHING = { queued: 0, inFlight: 0, delivered: 0, retried: 0, spooled: 0, refused: 0, lastDeliveredAt: undefined }
const empty = () => serverPlace(join(tempDir(), 'spool'), 'http://127.0.0.1:1')

const open: Spool[] = []
afterEach(async () => {
  for (const spool of open.splice(0)) await spool.close()
})

/** A run in this process, its server as a table, and its folder. */
function opened() {
  const place = empty()
  const server = { isDown: false, got: [] as unknown[], tried: 0 }
  const courier = async () => ({
    create: async () => 'theirs',
    batch: async (_: string, { metrics }: { metrics: readonly { key: string; value: number }[] }) => {
      server.tried++
      if (server.isDown) throw new NetworkError('down', { notSent: true })
      if (metrics.some(({ key }) => key === 'bad')) throw new InvalidParameterError('no', { status: 400 })
      server.got.push(...metrics.map(({ value }) => value))
    },
    call: async (_: string, call: string) => void server.got.push(call),
    artifact: async () => {},
  })
  const outage = { down: () => {}, up: () => {}, heldUp: () => () => {}, answered: () => {}, current: 0 }
  const hands = ownHands({ place, courier, warn: () => {}, outage })
  const spool = openSpool({
    ...{ place, hands, courier, warn: () => {} },
    outage: { ...outage, nth: new Int32Array(new SharedArrayBuffer(4)) },
  })
  open.push(spool)
  const out = spool.open({ runId: 'theirs', local: false }, {})
  const log = (value: number, key = 'loss') =>
    out.drain(
      { batch: { metrics: [{ key, value, step: value, timestamp: 1 }], params: [], tags: [] } },
      new AbortController().signal,
    )
  return { place, server, out, log, dir: out.folder.dir }
}

describe.skipIf(process.platform === 'win32')('the folder of a run that logs', () => {
  it('is made anew where what removed it has left something', async () => {
    const { out, log, server, dir } = opened()
    log(0)
    await out.flush(2_000)
    rmSync(dir, { recursive: true })
    mkdirSync(dir)
    writeFileSync(join(dir, '.nfs0001'), '')
    expect(out.isOpen).toBe(true)
    expect(existsSync(join(dir, 'owner.0'))).toBe(true)
    expect(log(1)).toBeUndefined()
    await out.flush(2_000)
    expect(server.got).toEqual([0, 1])
  })

  it.each([
    ['is made anew once that can be', (runs: string) => unlinkSync(runs)],
    [
      'is gone on with once it is back',
      (runs: string) => {
        unlinkSync(runs)
        renameSync(`${runs}-moved`, runs)
      },
    ],
  ])('%s; until then what is logged goes straight', async (_, mend) => {
    const { out, log, server, dir } = opened()
    const runs = dirname(dir)
    log(0)
    await out.flush(2_000)
    renameSync(runs, `${runs}-moved`)
    mkdirSync(`${runs}-other`)
    symlinkSync(`${runs}-other`, runs)
    expect(out.isOpen).toBe(true)
    await log(1)
    expect(out.loss?.message).toMatch(/removed or moved: .* in memory alone/)
    mend(runs)
    expect(out.isOpen).toBe(true)
    expect(log(2)).toBeUndefined()
    await out.flush(2_000)
    expect(server.got).toEqual([0, 1, 2])
    expect(out.loss).toBeUndefined()
    expect(out.stats(NOTHING)).toMatchObject({ delivered: 3, inFlight: 0, spooled: 0, refused: 0 })
  })

  it('is given up at the end if that cannot be yet, and the end goes straight', async () => {
    const { out, server, dir } = opened()
    server.isDown = true
    out.steps([{ param: { key: 'a', value: '1' } }])
    await vi.waitFor(() => expect(server.tried).toBe(1))
    rmSync(dirname(dir), { recursive: true })
    symlinkSync(tempDir(), dirname(dir))
    await out.finish({ status: 'FINISHED', endTime: 1, isGiven: true }, 2_000)
    expect(server.got).toEqual(['updateRun'])
    expect(out.isOpen).toBe(false)
  })

  it('is no reason for what is refused when all of it has arrived, nor what lies in memory alone on disk', async () => {
    const { out, log, server, dir } = opened()
    server.isDown = true
    log(0)
    await vi.waitFor(() => expect(server.tried).toBe(1))
    rmSync(dir, { recursive: true })
    expect(out.isOpen).toBe(true)
    expect(out.loss?.message).toMatch(/removed or moved before all that was in it had arrived/)
    expect(out.stats(NOTHING)).toMatchObject({ inFlight: 1, spooled: 0 })
    log(1)
    expect(out.stats(NOTHING)).toMatchObject({ inFlight: 1, spooled: 1 })
    server.isDown = false
    await out.flush(4_000)
    log(2, 'bad')
    await expect(out.flush(2_000)).rejects.toThrow('no')
    expect(server.got.sort()).toEqual([0, 1])
    expect(out.stats(NOTHING)).toMatchObject({ delivered: 2, inFlight: 0, spooled: 0, refused: 1 })
    expect(out.loss).toBeUndefined()
  })
})

it('a folder is not made anew before the id of its run is written down', () => {
  const place = empty()
  const run = { runId: 'ours', local: true }
  const dir = newRunDir(place, run)
  rmSync(dir, { recursive: true })
  mkdirSync(join(place.dir, 'ids'))
  const known = { done: { points: 0, steps: 1 }, runId: 'theirs' }
  const remake = () => remakeRunDir(place, dir, run, { file: 'log-00000001', begun: new Uint8Array(), known })
  expect(remake).toThrow()
  expect(existsSync(dir)).toBe(false)
  rmSync(join(place.dir, 'ids'), { recursive: true })
  remake()
  expect(existsSync(dir)).toBe(true)
})
