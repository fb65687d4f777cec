import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { createClient } from '../../src/index.js'
import { inRoom, room, roomOf } from '../../src/spool/room.js'
import { startTestServer } from '../../src/testing/index.js'
import { tempDir } from '../support/temp-dir.js'

const fill = (dir: string, bytes: number) => {
  mkdirSync(join(dir, 'v1', 'server', 'runs', 'r'), { recursive: true })
  writeFileSync(join(dir, 'v1', 'server', 'runs', 'r', 'log-00000000'), Buffer.alloc(bytes))
}
/** Takes until it is refused, or so often; answers how often. */
const takes = (of: ReturnType<typeof room>, bytes: number, most = 1000, little = false): number => {
  for (let count = 0; count < most; count++)
    try {
      of.take(bytes, little)
    } catch {
      return count
    }
  return most
}

/** From now on a room does not look at what lies there for a long time: looking took long. */
const lookNoMore = (of: ReturnType<typeof room>) => {
  of.memory[3] = 1e12
}

afterEach(() => {
  delete process.env.CAIRN_SPOOL_MAX_BYTES
})

describe('the room of a spool', () => {
  it('is what was asked for, counts what lies there, and keeps as much again for what is little', () => {
    const dir = tempDir()
    fill(dir, 5000)
    const of = room(dir, 10_000)
    expect(takes(of, 1000)).toBe(5)
    expect(() => of.take(1000)).toThrow(/CAIRN_SPOOL_MAX_BYTES/)
    expect(takes(of, 1000, 1000, true)).toBeGreaterThanOrEqual(10)
    expect(takes(room(dir, 0), 1)).toBe(0)
    expect(takes(room(dir, 0), 1, 10, true)).toBe(0)
  })

  it('is there again when something has gone', async () => {
    const dir = tempDir()
    fill(dir, 10_000)
    const of = room(dir, 10_000)
    expect(takes(of, 1)).toBe(0)
    rmSync(join(dir, 'v1'), { recursive: true })
    while (takes(of, 1000, 10) !== 10) await wait(5)
  })

  it('is measured by the thread that looks by itself where that takes long, as with ten thousand runs', () => {
    const dir = tempDir()
    const of = room(dir, 10_000)
    of.take(1)
    fill(dir, 5000)
    of.memory[3] = 100
    const before = of.memory[2]! - 20_000
    of.memory[2] = before
    of.take(1)
    expect([of.memory[0], of.memory[2]]).toEqual([2, before])
    of.look()
    expect(of.memory[0]).toBe(5000)
    expect(of.memory[2]).toBeGreaterThan(before)
    // Where nobody looks by itself, a call does.
    of.memory[3] = 100
    of.memory[2] = before - 60_000
    of.take(1)
    expect(of.memory[2]).toBeGreaterThan(before)
  })

  it('is a few gigabytes without a limit of the user’s, on a disk that has them', () => {
    const dir = tempDir()
    expect(takes(room(dir), 2 ** 26, 1)).toBe(1)
    expect(takes(room(dir), 2 ** 33)).toBe(0)
  })

  it('is one for all who write in this process, and none of what a link leads to', () => {
    const [dir, other] = [tempDir(), tempDir()]
    fill(other, 10_000)
    symlinkSync(other, join(dir, 'link'))
    expect(takes(roomOf({ spoolDir: dir, maxBytes: 3000 }), 1000, 2)).toBe(2)
    expect(roomOf({ spoolDir: dir, maxBytes: 3000 })).toBe(roomOf({ spoolDir: dir, maxBytes: 3000 }))
    const first = room(tempDir(), 3000)
    const second = room(dir, 3000, first.memory)
    expect(takes(first, 1000, 2)).toBe(2)
    expect(takes(second, 1000, 2)).toBe(1)
    expect(takes(room(join(dir, 'nowhere'), 3000), 1000)).toBe(3)
  })
  it('is given back at once by what does not come to lie there', async () => {
    const of = room(tempDir(), 1000)
    of.take(100)
    lookNoMore(of)
    await expect(inRoom(of, 800, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(takes(of, 100)).toBe(9)
    await expect(inRoom(of, 800, async () => {})).rejects.toThrow(/CAIRN_SPOOL_MAX_BYTES/)
    const other = room(tempDir(), 1000)
    expect(await inRoom(other, 800, async () => 5)).toBe(5)
    lookNoMore(other)
    expect(takes(other, 100)).toBe(2)
  })

  it('is there at once when something is removed, and counted once when it is looked at meanwhile', () => {
    const dir = tempDir()
    fill(dir, 500)
    const of = room(dir, 1000)
    of.take(0)
    lookNoMore(of)
    of.give(() => {
      fill(dir, 300)
      return 200
    })
    expect(of.memory[0]).toBe(300)
    of.give(() => {
      fill(dir, 100)
      of.memory[2] = of.memory[3] = 0
      of.take(0)
      return 200
    })
    expect(of.memory[0]).toBe(100)
  })

  it('is looked at again when it was looked at while something was written that does not lie there then', async () => {
    const dir = tempDir()
    fill(dir, 100)
    const of = room(dir, 1000)
    const written = inRoom(of, 100, async () => {
      fill(dir, 900)
      const before = of.memory[2]
      while (of.memory[2] === before) {
        takes(of, 1000, 1, true)
        await wait(5)
      }
      lookNoMore(of)
      fill(dir, 100)
      throw new Error('no')
    })
    await expect(written).rejects.toThrow('no')
    expect(takes(of, 100)).toBe(9)
  })

  it('is there for the next file when the one before could not be saved', async () => {
    process.env.CAIRN_SPOOL_MAX_BYTES = '2000000'
    const server = await startTestServer()
    await server.close()
    const spoolDir = join(tempDir(), 'spool')
    const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
    const client = createClient({ trackingUri: server.url, spoolDir, logger })
    const run = await client.startRun()
    lookNoMore(roomOf({ spoolDir, maxBytes: 2_000_000 }))
    const text = 'x'.repeat(1_500_000)
    await expect(run.logText(text, 'a.txt', { signal: AbortSignal.abort(new Error('mine')) })).rejects.toThrow('mine')
    await run.logText(text, 'b.txt')
    await expect(run.logText(text, 'c.txt')).rejects.toThrow(/CAIRN_SPOOL_MAX_BYTES/)
    await client.close()
  })
})
