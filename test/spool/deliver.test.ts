import { mkdirSync, readdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { NetworkError, PermissionDeniedError, TimeoutError, UnavailableError } from '../../src/errors.js'
import type { Courier } from '../../src/spool/courier.js'
import type { DeliveryEvents } from '../../src/spool/deliverer.js'
import { sayClosed } from '../../src/spool/elders.js'
import { openLog } from '../../src/spool/log.js'
import { claimOf } from '../../src/spool/owner.js'
import { newRunDir, serverPlace } from '../../src/spool/place.js'
import { type Room, roomMemory } from '../../src/spool/room.js'
import { type Hands, ownHands } from '../../src/wire/hands.js'
import { tempDir } from '../support/temp-dir.js'

const open: Hands[] = []
afterEach(async () => {
  vi.useRealTimers()
  for (const hands of open.splice(0)) await hands.close()
})

const away = () => new NetworkError('away', { notSent: true })
const point = (value: number) => ({ key: 'loss', value, timestamp: 1, step: 1 })

/** Runs that are delivered by a courier of the test's own. */
function delivering(carry: Partial<Courier>, watch: DeliveryEvents = {}) {
  const place = serverPlace(join(tempDir(), 'spool'), 'http://127.0.0.1:1')
  const courier: Courier = {
    ...{ create: async () => '', batch: async () => {}, call: async () => {}, artifact: async () => {} },
    ...carry,
  }
  const said: string[] = []
  const say = (message: string) => void said.push(message)
  const hands = ownHands({ place, courier: async () => courier, warn: say, outage: { down: say, up() {} } })
  open.push(hands)
  const begin = (runId: string, local = false, elders: readonly string[] = [], room?: Room) => {
    const run = { runId, local }
    const dir = newRunDir(place, run)
    const log = openLog(dir, { room })
    return { dir, log, delivery: hands.deliver({ dir, run, claim: claimOf(dir, 0), log, elders, watch }) }
  }
  return { place, begin, said }
}

describe('a run that is made', () => {
  it('is not made once more where its id cannot be written down', async () => {
    const asked: boolean[] = []
    const { place, begin } = delivering({
      async create(_, { again }) {
        asked.push(again)
        if (asked.length === 2) rmdirSync(join(place.dir, 'ids'))
        return 'theirs'
      },
    })
    const { log, delivery } = begin('ours', true)
    mkdirSync(join(place.dir, 'ids'))
    log.steps([{ create: { neverAsked: true, startTime: 1, tags: [] } }])
    expect(await delivery.until({ points: 0, steps: 1 }, 60_000)).toBe(true)
    // The second time it is looked for.
    expect(asked).toEqual([false, true])
    expect(delivery.runId()).toBe('theirs')
  })
})

it.each([
  ['a NaN, which goes by itself and last, is looked for when it is sent again', Number.NaN, true],
  ['no NaN is sent again unseen when none of it was sent', 1, false],
])('a request with %s', async (_, value, looked) => {
  const asked: boolean[] = []
  const { begin } = delivering({
    async batch(_run, _batch, { again }) {
      if (asked.push(again) === 1) throw away()
    },
  })
  const { log, delivery } = begin('run')
  log.points([point(0), point(value)])
  expect(await delivery.until({ points: 2, steps: 0 }, 60_000)).toBe(true)
  expect(asked).toEqual([false, looked])
})

it('a run that goes on in a second folder waits for the first once nothing more comes there, with all but points', async () => {
  const sent: string[] = []
  let isAway = false
  const { begin } = delivering({
    async batch(_run, { tags, metrics }) {
      if (isAway && tags.some(({ value }) => value.startsWith('old')))
        throw new PermissionDeniedError('not now', { status: 403 })
      sent.push(...tags.map(({ value }) => value), ...metrics.map(({ value }) => String(value)))
    },
  })
  const tag = (value: string) => [{ tag: { key: 'epoch', value } }]
  const first = begin('run')
  const second = begin('run', false, [first.dir])
  second.log.steps(tag('beside'))
  expect(await second.delivery.until({ points: 0, steps: 1 }, 60_000)).toBe(true)
  isAway = true
  first.log.steps(tag('old'))
  sayClosed(first.dir)
  first.log.close()
  first.delivery.look()
  second.log.steps(tag('new'))
  second.log.points([point(7)])
  expect(await second.delivery.until({ points: 1, steps: 1 }, 60_000)).toBe(true)
  expect(await second.delivery.until({ points: 0, steps: 2 }, 500)).toBe(false)
  expect(sent).toEqual(['beside', '7'])
  isAway = false
  expect(await second.delivery.until({ points: 0, steps: 2 }, 60_000)).toBe(true)
  expect(sent).toEqual(['beside', '7', 'old', 'new'])
})

it('tags of one key that wait together go as the last of them, and no further than what is to come between', async () => {
  const sent: string[][] = []
  const { begin } = delivering({
    batch: async (_run, { tags, params }) => void sent.push([...tags, ...params].map(({ key, value }) => key + value)),
    call: async (_run, operation) => void sent.push([operation]),
  })
  const { log, delivery } = begin('run')
  const tag = (key: string, value: string) => ({ tag: { key, value } })
  log.steps([
    ...Array.from({ length: 300 }, (_, n) => tag('epoch', String(n))),
    tag('other', '1'),
    { param: { key: 'p', value: '1' } },
    tag('epoch', 'last'),
    { call: 'deleteTag', input: { key: 'epoch' } },
    tag('epoch', 'new'),
    ...Array.from({ length: 100 }, (_, n) => tag(`key${n}`, '')),
  ])
  expect(await delivery.until({ points: 0, steps: 405 }, 60_000)).toBe(true)
  const keys = Array.from({ length: 100 }, (_, n) => `key${n}`)
  expect(sent).toEqual([
    ['epochlast', 'other1', 'p1'],
    ['deleteTag'],
    ['epochnew', ...keys.slice(0, 99)],
    keys.slice(99),
  ])
})

describe('what comes in little by little', () => {
  function counting() {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
    const sent: number[] = []
    const { begin } = delivering({ batch: async (_run, { metrics }) => void sent.push(metrics.length) })
    const { log, delivery } = begin('run')
    const logPoints = (count: number) => {
      log.points(Array.from({ length: count }, (_, index) => point(index)))
      delivery.wake()
    }
    return { sent, log, logPoints, delivery }
  }

  it('goes one request a second, the first of them soon', async () => {
    const { sent, logPoints } = counting()
    for (let n = 0; n < 40; n++) {
      logPoints(1)
      await vi.advanceTimersByTimeAsync(100)
    }
    expect(sent[0]).toBe(2)
    expect(sent.length).toBe(4)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(sent.reduce((sum, count) => sum + count, 0)).toBe(40)
  })

  it('goes as often when tags come with it, which go sooner', async () => {
    const { sent, log, logPoints } = counting()
    for (let n = 0; n < 40; n++) {
      log.steps([{ tag: { key: 'epoch', value: String(n) } }])
      logPoints(1)
      await vi.advanceTimersByTimeAsync(100)
    }
    expect(sent.filter((count) => count > 0)).toHaveLength(4)
  })

  it('goes at once when somebody waits for it', async () => {
    const { sent, logPoints, delivery } = counting()
    logPoints(1)
    await vi.advanceTimersByTimeAsync(200)
    logPoints(1)
    await vi.advanceTimersByTimeAsync(50)
    expect(sent).toEqual([1])
    expect(await delivery.until({ points: 2, steps: 0 }, 60_000)).toBe(true)
    expect(sent).toEqual([1, 1])
  })
})

it('a wait that was too short is no outage: what was on its way goes out again, unsaid and uncounted', async () => {
  const asked: boolean[] = []
  const retried: unknown[] = []
  const { begin, said } = delivering(
    {
      async batch(_run, _batch, { again, signal }) {
        if (asked.push(again) > 1) return
        await new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(new TimeoutError('given up', { cause: signal.reason })))
        })
      },
    },
    { onRetry: (error) => retried.push(error), onSpooled: (error) => retried.push(error) },
  )
  const { log, delivery } = begin('run')
  log.points([point(0)])
  expect(await delivery.until({ points: 1, steps: 0 }, 100)).toBe(false)
  // No open request holds the process, nor does the wait for the next.
  await new Promise(setImmediate)
  expect(delivery.progress).toMatchObject({ inFlight: 0, retried: 0 })
  expect(await delivery.until({ points: 1, steps: 0 }, 60_000)).toBe(true)
  expect(asked).toEqual([false, true])
  expect({ said, retried, counted: delivery.progress.retried }).toEqual({ said: [], retried: [], counted: 0 })
})

it('a delivery that is stopped just when it finds its server back keeps no other one waiting', async () => {
  let tries = 0
  let answer = () => {}
  let isAsked = () => {}
  const asked = new Promise<void>((resolve) => {
    isAsked = resolve
  })
  const { begin } = delivering({
    async batch() {
      if (++tries === 1) throw away()
      if (tries > 2) return
      isAsked()
      await new Promise<void>((resolve) => {
        answer = resolve
      })
    },
  })
  const [first, second] = [begin('first'), begin('second')]
  first.log.points([point(0)])
  const stopped = first.delivery.until({ points: 1, steps: 0 }, 60_000)
  await asked
  await first.delivery.stop()
  answer()
  expect(await stopped).toBe(false)
  second.log.points([point(0)])
  expect(await second.delivery.until({ points: 1, steps: 0 }, 10_000)).toBe(true)
}, 60_000)

it.each([
  ['one at a time, where the server is slower the more there are', (atOnce: number) => 20 + 60 * (atOnce - 1), 1],
  ['as many at once as may be, where each brings more', () => 60, 4],
])(
  'a long run sends %s',
  async (_, msFor, most) => {
    let under = 0
    const last: number[] = []
    const { begin } = delivering({
      async batch() {
        under++
        last.push(under)
        await new Promise((resolve) => setTimeout(resolve, msFor(under)))
        under--
      },
    })
    const { log, delivery } = begin('run')
    const batches = 150
    for (let n = 0; n < batches; n++) log.points(Array.from({ length: 1000 }, (_, at) => point(n * 1000 + at)))
    expect(await delivery.until({ points: batches * 1000, steps: 0 }, 60_000)).toBe(true)
    const usual = last.slice(90, 99).toSorted((a, b) => a - b)[4]
    expect(usual).toBe(most)
  },
  60_000,
)

it('what was delivered leaves the disk while its run goes on, and what comes after it arrives', async () => {
  const sent: number[] = []
  const { begin } = delivering({
    async batch(_run, { metrics }) {
      sent.push(...metrics.map(({ value }) => value))
    },
  })
  const { dir, log, delivery } = begin('kept')
  const onDisk = () =>
    readdirSync(dir)
      .filter((name) => name.startsWith('log-'))
      .reduce((sum, name) => sum + statSync(join(dir, name)).size, 0)
  const values = Array.from({ length: 10_000 }, (_, value) => value)
  for (let from = 0; from < values.length; from += 500) {
    log.points(values.slice(from, from + 500).map(point))
    // The rest in a file that has begun anew.
    if (from % 5000 === 0) expect(await delivery.until(log.written, 60_000)).toBe(true)
  }
  expect(onDisk()).toBeGreaterThan(1 << 16)
  expect(await delivery.until(log.written, 60_000)).toBe(true)
  expect(onDisk()).toBe(0)
  log.points([point(-1)])
  expect(await delivery.until(log.written, 60_000)).toBe(true)
  expect(sent.toSorted((a, b) => a - b)).toEqual([-1, ...values])
})

it('what fills the spool leaves it once it is delivered, also where its last record is the last that is read at once', async () => {
  let isFull = false
  const room: Room = {
    take() {
      if (isFull) throw new UnavailableError('full')
    },
    give: (remove) => void remove(),
    look() {},
    memory: roomMemory(),
  }
  const { begin } = delivering({})
  const { dir, log, delivery } = begin('full', false, [], room)
  for (let from = 0; from < 4096; from += 512) log.points(Array.from({ length: 512 }, (_, at) => point(from + at)))
  isFull = true
  expect(() => log.points([point(-1)])).toThrow('full')
  expect(await delivery.until(log.written, 60_000)).toBe(true)
  expect(readdirSync(dir).filter((name) => name.startsWith('log-'))).toEqual(['log-00000001'])
})

it('files that no step names are told one by one, and the first hundred refusals are kept', async () => {
  let told = 0
  const { begin } = delivering({}, { onRefused: () => void told++ })
  const { dir, log, delivery } = begin('run')
  for (let n = 0; n < 130; n++) writeFileSync(join(dir, `file-${n}`), '')
  log.close()
  delivery.look()
  expect(await delivery.finished).toBe(true)
  expect([told, delivery.refusals().length, delivery.refusals().length]).toEqual([130, 100, 0])
})
