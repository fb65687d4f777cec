import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { NetworkError, UnavailableError } from '../../src/errors.js'
import type { Courier } from '../../src/spool/courier.js'
import type { DeliveryEvents } from '../../src/spool/deliverer.js'
import { openLog } from '../../src/spool/log.js'
import { claimOf } from '../../src/spool/owner.js'
import { newRunDir, serverPlace } from '../../src/spool/place.js'
import type { Step } from '../../src/spool/steps.js'
import { type Hands, ownHands } from '../../src/wire/hands.js'
import { tempDir } from '../support/temp-dir.js'

const open: Hands[] = []
afterEach(async () => {
  vi.useRealTimers()
  for (const hands of open.splice(0)) await hands.close()
})

const point = (value: number) => ({ key: 'loss', value, timestamp: 1, step: 1 })
const param = (key: string): Step => ({ param: { key, value: 'x' } })
const tag = (key: string, value: string): Step => ({ tag: { key, value } })
const file = (path: string): Step => ({ artifact: { path, file: `file-${path}`, type: '' } })
const model = (name: string): Step => ({
  model: { folder: name, request: { name, type: 'node', params: [], tags: [], step: 0, version: { name: 'net' } } },
})
const end: Step = { call: 'updateRun', input: { status: 'FINISHED' } }
const fails = () => new UnavailableError('A string literal cannot contain NUL (0x00) characters.', { status: 500 })

/** A run whose requests a function of the test's takes or fails, and what is said of it. */
function delivering(
  batch: Courier['batch'],
  called: Courier['call'] = async () => {},
  carried: (path: string) => Promise<void> = async () => {},
  packed: (name: string) => Promise<void> = async () => {},
) {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
  const place = serverPlace(join(tempDir(), 'spool'), 'http://127.0.0.1:1')
  const calls: string[] = []
  const call: Courier['call'] = async (...of) => {
    await called(...of)
    calls.push(of[1])
  }
  const files: string[] = []
  const artifact: Courier['artifact'] = async (_, kept) => {
    if (!('file' in kept)) return packed(kept.request.name)
    const { path } = kept
    await carried(path)
    files.push(path)
  }
  const courier: Courier = { create: async () => '', batch, call, artifact }
  const said: string[] = []
  const outage = { down: () => void said.push('down'), up: () => void said.push('up') }
  const hands = ownHands({ place, courier: async () => courier, warn: () => {}, outage })
  open.push(hands)
  const watch: DeliveryEvents = { onSpooled: () => said.push('spooled'), onRecovered: () => said.push('recovered') }
  const begin = (runId: string) => {
    const run = { runId, local: false }
    const dir = newRunDir(place, run)
    const log = openLog(dir)
    return { log, delivery: hands.deliver({ dir, run, claim: claimOf(dir, 0), log, elders: [], watch }) }
  }
  const pass = async (seconds: number, act = () => {}) => {
    for (let at = 0; at < seconds; at++) {
      act()
      await vi.advanceTimersByTimeAsync(1000)
    }
  }
  return { begin, pass, said, calls, files }
}

it('an entry that a server answers 500, while it takes points, is set aside alone, and is told of as one outage at most', async () => {
  const params: string[] = []
  const { begin, pass, said, calls } = delivering(async (_, batch) => {
    if (batch.params.some(({ key }) => key === 'bad')) throw fails()
    params.push(...batch.params.map(({ key }) => key))
  })
  const { log, delivery } = begin('run')
  const names = Array.from({ length: 20 }, (_, i) => (i === 13 ? 'bad' : `p${i}`))
  log.steps(names.map(param))
  log.steps([{ call: 'updateRun', input: { status: 'FINISHED' } }])
  delivery.wake()
  await pass(150, () => {
    log.points([point(1)])
    delivery.wake()
  })
  expect(params.sort()).toEqual(names.filter((name) => name !== 'bad').sort())
  expect(calls).toEqual(['updateRun'])
  expect(delivery.progress).toMatchObject({ refused: 1 })
  expect(delivery.refusals()).toMatchObject([{ status: 500 }])
  expect(said.filter((one) => one === 'down').length).toBeLessThanOrEqual(1)
  expect(said.filter((one) => one === 'spooled').length).toBeLessThanOrEqual(1)
})

it('a call that a server answers 500, while it takes all else, holds up neither tags, files nor the end of its run', async () => {
  const tags: string[] = []
  const { begin, pass, calls, files } = delivering(
    async (_, batch) => void tags.push(...batch.tags.map(({ value }) => value)),
    async (_, operation) => {
      if (operation === 'logInputs') throw fails()
    },
  )
  const { log, delivery } = begin('run')
  log.steps([
    { call: 'logInputs', input: { datasets: [] } },
    { artifact: { path: 'a.txt', file: 'file-0', type: '' } },
    tag('team', 'growth'),
    { call: 'updateRun', input: { status: 'FINISHED' } },
  ])
  delivery.wake()
  const log1 = () => {
    log.points([point(1)])
    delivery.wake()
  }
  await pass(60, log1)
  expect([tags.filter(Boolean), files, calls]).toEqual([['growth'], ['a.txt'], ['updateRun']])
  expect(delivery.progress).toMatchObject({ refused: 0, deliveredChores: 1 })
  await pass(400, log1)
  expect(delivery.progress.refused).toBe(1)
  expect(delivery.refusals()).toMatchObject([{ status: 500 }])
})

it('what a later call says of a tag stays behind one that is stuck, and holds up nothing else', async () => {
  const said: string[] = []
  let isIll = true
  const { begin, pass, calls } = delivering(async (_, { tags }) => {
    if (isIll && tags.some(({ value }) => value === 'old')) throw fails()
    said.push(...tags.map(({ key, value }) => `${key} ${value}`))
  })
  const { log, delivery } = begin('run')
  log.steps([{ tag: { key: 'stage', value: 'old' } }])
  delivery.wake()
  await pass(1)
  log.steps([{ tag: { key: 'other', value: 'x' } }])
  log.steps([{ tag: { key: 'stage', value: 'new' } }])
  log.steps([{ tag: { key: 'last', value: 'y' } }, { call: 'updateRun', input: { status: 'FINISHED' } }])
  await pass(20, () => {
    log.points([point(1)])
    delivery.wake()
  })
  expect([said, calls]).toEqual([['other x', 'last y'], ['updateRun']])
  isIll = false
  await pass(20)
  expect(said).toEqual(['other x', 'last y', 'stage old', 'stage new'])
})

it('points that a server answers 500, while it takes those of another run, are looked into as well', async () => {
  const { begin, pass } = delivering(async (_, { metrics }) => {
    if (metrics.some(({ value }) => value === 13)) throw fails()
  })
  const one = begin('one')
  const other = begin('other')
  one.log.points(Array.from({ length: 50 }, (_, i) => point(i)))
  one.delivery.wake()
  await pass(150, () => {
    other.log.points([point(1)])
    other.delivery.wake()
  })
  expect(one.delivery.progress).toMatchObject({ delivered: 49, refused: 1 })
})

it('points that a busy server answers 500 for a while, though it takes others, all arrive', async () => {
  let isBusy = true
  const { begin, pass } = delivering(async (_, { metrics }) => {
    if (isBusy && metrics.length === 50) throw fails()
  })
  const one = begin('one')
  const other = begin('other')
  one.log.points(Array.from({ length: 50 }, (_, i) => point(i)))
  one.delivery.wake()
  const log = () => {
    other.log.points([point(1)])
    other.delivery.wake()
  }
  await pass(25, log)
  isBusy = false
  await pass(30, log)
  expect(one.delivery.progress).toMatchObject({ delivered: 50, refused: 0 })
})

it('nothing is set aside by a server that answers 500 to all, however long, and nothing goes out in parts', async () => {
  const sizes: number[] = []
  let isBroken = true
  const { begin, pass, said } = delivering(async (_, { params, metrics }) => {
    if (isBroken) throw fails()
    sizes.push(params.length + metrics.length)
  })
  const { log, delivery } = begin('run')
  log.steps(Array.from({ length: 20 }, (_, i) => param(`p${i}`)))
  log.points(Array.from({ length: 50 }, (_, i) => point(i)))
  delivery.wake()
  await pass(600)
  isBroken = false
  await pass(60)
  expect(sizes.sort()).toEqual([20, 50])
  expect(delivery.progress).toMatchObject({ delivered: 70, refused: 0 })
  expect(said.filter((one) => one === 'down')).toHaveLength(1)
})

it('nothing is set aside by a server that answers 500 now and then, however often', async () => {
  let isIll = true
  let seed = 7
  const chance = () => {
    seed = (seed * 48271) % 0x7fffffff
    return seed / 0x7fffffff
  }
  const taken: number[] = []
  const { begin, pass } = delivering(async (_, { metrics }) => {
    if (isIll && chance() < 0.8) throw fails()
    taken.push(...metrics.map(({ value }) => value))
  })
  const runs = ['a', 'b', 'c', 'd'].map(begin)
  let logged = 0
  const log = () => {
    for (const { log, delivery } of runs) {
      log.points([point(logged++), point(logged++)])
      log.steps([param(`p${logged}`)])
      delivery.wake()
    }
  }
  await pass(200, log)
  isIll = false
  await pass(100)
  expect(runs.map(({ delivery }) => delivery.progress.refused)).toEqual([0, 0, 0, 0])
  expect(taken.sort((a, b) => a - b)).toEqual(Array.from({ length: logged }, (_, n) => n))
})

it('nothing is set aside by a server of which a part is away, while it takes points', async () => {
  let isAway = true
  const params: string[] = []
  const { begin, pass, said, calls } = delivering(
    async (_, batch) => {
      if (isAway && batch.metrics.length === 0) throw fails()
      params.push(...batch.params.map(({ key }) => key))
    },
    async () => {
      if (isAway) throw fails()
    },
  )
  const [ended, goesOn] = [begin('ended'), begin('goes on')]
  for (const { log } of [ended, goesOn]) log.steps(['a', 'b'].map(param))
  ended.log.steps([{ call: 'updateRun', input: { status: 'FINISHED' } }])
  ended.delivery.wake()
  await pass(240, () => {
    goesOn.log.points([point(1)])
    goesOn.delivery.wake()
  })
  isAway = false
  await pass(60)
  expect(params.sort()).toEqual(['a', 'a', 'b', 'b'])
  expect(calls).toEqual(['updateRun'])
  expect([ended.delivery.progress.refused, goesOn.delivery.progress.refused]).toEqual([0, 0])
  // At the first of what it does not take, and at the end that goes past that.
  expect(said.filter((one) => one === 'down').length).toBeLessThanOrEqual(2)
})

it('one entry that a server answers 500 holds up none of its request, also where nothing else is sent', async () => {
  const taken = new Set<number>()
  const { begin, pass } = delivering(async (_, { metrics }) => {
    if (metrics.some(({ value }) => value === 777)) throw fails()
    for (const { value } of metrics) taken.add(value)
  })
  const { log, delivery } = begin('run')
  for (let n = 0; n < 3000; n += 100) log.points(Array.from({ length: 100 }, (_, at) => point(n + at)))
  log.close()
  delivery.look()
  await pass(25)
  expect(taken.size).toBe(2999)
  expect(delivery.progress).toMatchObject({ delivered: 2999, refused: 0 })
})

it('files that wait while a server answers 500 to all arrive, however long that lasts and however often somebody flushes', async () => {
  let isBroken = true
  const fail = async () => {
    if (isBroken) throw fails()
  }
  const { begin, pass, files, said } = delivering(fail, fail, fail)
  const { log, delivery } = begin('run')
  const names = Array.from({ length: 9 }, (_, n) => `${n}.txt`)
  log.steps([...names.map(file), param('a')])
  delivery.wake()
  await pass(400, () => {
    log.points([point(1)])
    delivery.hurry()
    delivery.calm()
  })
  expect([files, said]).toEqual([[], ['down', 'spooled']])
  isBroken = false
  await pass(120)
  expect(files.toSorted()).toEqual(names)
  expect(delivery.progress).toMatchObject({ refused: 0, delivered: 410 })
})

it('a file that a server answers 500 holds up nothing of its run, also where no points are sent, and is set aside in the end', async () => {
  const params: string[] = []
  const { begin, pass, calls, files } = delivering(
    async (_, batch) => void params.push(...batch.params.map(({ key }) => key)),
    async () => {},
    async (path) => {
      if (path === 'bad.bin') throw fails()
    },
  )
  const { log, delivery } = begin('run')
  log.steps([file('bad.bin'), param('lr'), file('good.txt'), file('bad.bin'), end])
  delivery.wake()
  await pass(15)
  expect([params, files, calls]).toEqual([['lr'], ['good.txt'], ['updateRun']])
  expect(delivery.progress).toMatchObject({ refused: 0 })
  await pass(700, () => {
    log.points([point(1)])
    delivery.wake()
  })
  expect(delivery.progress).toMatchObject({ refused: 2 })
})

it('a file that a server answers 500 does not hold up the end of its run where that is all there is', async () => {
  const { begin, pass, calls } = delivering(
    async () => {},
    async () => {},
    async () => {
      throw fails()
    },
  )
  const { log, delivery } = begin('run')
  log.steps([file('bad.bin'), end])
  log.close()
  delivery.look()
  await pass(25)
  expect(calls).toEqual(['updateRun'])
  expect(delivery.progress).toMatchObject({ refused: 0 })
})

it('the end of a run waits for a file whose store cannot be reached', async () => {
  let isAway = true
  const { begin, pass, calls, files } = delivering(
    async () => {},
    async () => {},
    async () => {
      if (isAway) throw new NetworkError('connect ECONNREFUSED', { notSent: true, url: 'http://127.0.0.1:2/x' })
    },
  )
  const { log, delivery } = begin('run')
  log.steps([file('a.txt'), param('lr'), end])
  delivery.wake()
  await pass(60, () => {
    log.points([point(1)])
    delivery.wake()
  })
  expect(calls).toEqual([])
  expect(delivery.progress).toMatchObject({ refused: 0, delivered: 61 })
  isAway = false
  await pass(40)
  expect([files, calls]).toEqual([['a.txt'], ['updateRun']])
})

it('a server that takes no points for a while, but tags, is asked now and then, and gets all of them afterwards', async () => {
  let isAway = true
  let asked = 0
  const taken: number[] = []
  const { begin, pass, said } = delivering(async (_, { metrics }) => {
    if (metrics.length > 0) asked++
    if (isAway && metrics.length > 0) throw fails()
    taken.push(...metrics.map(({ value }) => value))
  })
  const { log, delivery } = begin('run')
  for (let n = 0; n < 3000; n += 1000) log.points(Array.from({ length: 1000 }, (_, at) => point(n + at)))
  let logged = 3000
  const go = () => {
    log.steps([tag('t', String(logged))])
    log.points([point(logged++)])
    delivery.wake()
  }
  await pass(120, go)
  expect(asked).toBeLessThan(120 * 3)
  expect(said.filter((one) => one === 'down').length).toBeLessThanOrEqual(1)
  isAway = false
  asked = 0
  await pass(40, go)
  expect(taken.toSorted((a, b) => a - b).slice(0, 3120)).toEqual(Array.from({ length: 3120 }, (_, n) => n))
  expect(asked).toBeLessThan(150)
  expect(delivery.progress.refused).toBe(0)
})

it('two entries that a server answers 500, one in each half of their request, are found alone', async () => {
  const { begin, pass } = delivering(async (_, { metrics }) => {
    if (metrics.some(({ value }) => value === 3 || value === 40)) throw fails()
  })
  const { log, delivery } = begin('run')
  log.points(Array.from({ length: 50 }, (_, i) => point(i)))
  delivery.wake()
  await pass(60, () => {
    log.steps([tag('t', 'x')])
    delivery.wake()
  })
  expect(delivery.progress.delivered).toBeGreaterThanOrEqual(48 + 50)
})

it('however many steps of a stuck key there are, what was logged after them arrives', async () => {
  const points: number[] = []
  const params: string[] = []
  const { begin, pass } = delivering(async (_, batch) => {
    if (batch.tags.some(({ value }) => value === 'bad')) throw fails()
    points.push(...batch.metrics.map(({ value }) => value))
    params.push(...batch.params.map(({ key }) => key))
  })
  const { log, delivery } = begin('run')
  log.steps([tag('state', 'bad'), ...Array.from({ length: 3000 }, (_, n) => tag('state', `step ${n}`))])
  log.points([point(1)])
  log.steps([param('lr')])
  delivery.wake()
  await pass(10)
  expect([points, params]).toEqual([[1], ['lr']])
})

it('however many points a server does not take, tags that were logged after them arrive', async () => {
  const tags: string[] = []
  const { begin, pass } = delivering(async (_, batch) => {
    if (batch.metrics.length > 0) throw fails()
    tags.push(...batch.tags.map(({ value }) => value))
  })
  const { log, delivery } = begin('run')
  for (let n = 0; n < 40_000; n += 1000) log.points(Array.from({ length: 1000 }, (_, at) => point(n + at)))
  log.steps([tag('t', 'x')])
  delivery.wake()
  await pass(10)
  expect(tags).toEqual(['x'])
})

it('parameters that a server does not take while it takes points are told of once, however many requests they are', async () => {
  let isAway = true
  let arrived = 0
  const { begin, pass, said } = delivering(async (_, { params }) => {
    if (isAway && params.length > 0) throw fails()
    arrived += params.length
  })
  const { log, delivery } = begin('run')
  log.steps(Array.from({ length: 1500 }, (_, n) => param(`p${n}`)))
  const go = () => {
    log.points([point(1)])
    delivery.wake()
  }
  delivery.wake()
  await pass(60, go)
  expect(said.filter((one) => one === 'down')).toHaveLength(1)
  isAway = false
  await pass(60, go)
  expect(arrived).toBe(1500)
})

const away = () =>
  new UnavailableError('The store is away', {
    status: 503,
    url: 'http://127.0.0.1:1/api/2.0/mlflow-artifacts/artifacts/a',
  })

it.each([
  ['500', fails],
  ['503', away],
])('points go on while thirty files get a %s', async (_, failure) => {
  let points = 0
  const { begin, pass } = delivering(
    async (_run, batch) => {
      points += batch.metrics.length
    },
    async () => {},
    async () => Promise.reject(failure()),
  )
  const { log, delivery } = begin('run')
  log.steps(Array.from({ length: 30 }, (_file, at) => file(`${at}.txt`)))
  await pass(60, () => {
    log.points([point(1)])
    delivery.wake()
  })
  expect(points).toBeGreaterThan(30)
})

it('a file that was put off goes at once when somebody waits', async () => {
  let isIll = true
  const { begin, pass, files, calls } = delivering(
    async () => {},
    async () => {},
    async () => {
      if (isIll) throw away()
    },
  )
  const { log, delivery } = begin('run')
  log.steps([file('a.txt')])
  delivery.wake()
  await pass(60)
  isIll = false
  log.steps([end])
  const waited = delivery.until(log.written, 2000)
  await pass(2)
  expect([await waited, files, calls]).toEqual([true, ['a.txt'], ['updateRun']])
})

it('models keep their order: the newest version is the last that was logged', async () => {
  let failures = 0
  const carried: string[] = []
  const { begin, pass } = delivering(
    async () => {},
    async () => {},
    async () => {},
    async (name) => {
      if (name === 'first' && failures++ < 8) throw fails()
      carried.push(name)
    },
  )
  const { log, delivery } = begin('run')
  log.steps(['first', 'second', 'third'].map(model))
  await pass(90, () => {
    log.points([point(1)])
    delivery.wake()
  })
  expect(carried).toEqual(['first', 'second', 'third'])
})

it('of two tags of one key in a request that is looked into by parts the later one stays', async () => {
  const said: string[] = []
  const { begin, pass } = delivering(async (_, { tags, params }) => {
    if (params.length > 0) throw fails()
    said.push(...tags.filter(({ key }) => key === 'status').map(({ value }) => value))
  })
  const { log, delivery } = begin('run')
  log.steps([tag('status', 'running'), param('p'), tag('other', 'x'), tag('status', 'done')])
  log.points([point(1)])
  delivery.wake()
  let n = 2
  await pass(120, () => {
    // It takes others now and then, so that the parts fail by turns.
    if (n % 20 === 0) log.points([point(n)])
    n++
    delivery.wake()
  })
  expect(said.at(-1)).toBe('done')
})

it('a file on its way when nobody waits for its run any more is let go, and taken up when somebody does', async () => {
  let begun = 0
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
  const place = serverPlace(join(tempDir(), 'spool'), 'http://127.0.0.1:1')
  const artifact: Courier['artifact'] = (_run, _file, { signal }) => {
    begun++
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }
  const courier: Courier = { create: async () => '', batch: async () => {}, call: async () => {}, artifact }
  const outage = { down: () => {}, up: () => {} }
  const hands = ownHands({ place, courier: async () => courier, warn: () => {}, outage })
  open.push(hands)
  const run = { runId: 'run', local: false }
  const dir = newRunDir(place, run)
  const log = openLog(dir)
  const delivery = hands.deliver({ dir, run, claim: claimOf(dir, 0), log, elders: [], watch: {} })
  log.steps([file('a.txt')])
  delivery.look()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(begun).toBe(1)
  log.close()
  delivery.look()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(begun).toBe(1)
  delivery.hurry()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(begun).toBe(2)
  delivery.calm()
})
