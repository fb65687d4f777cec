import { randomUUID } from 'node:crypto'
import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'

// A script may change the clock.
const now = performance.now.bind(performance)

/**
 * Cairn, whose runs note in a folder how many points were logged to them and how long the longest such call took. It is
 * noted in the call: what is killed then has said it. Each thread of each process has a file of its own.
 */
export function counted(cairn, dir) {
  const figures = new Float64Array(2)
  let file

  function time(run, verb, countOf) {
    const log = run[verb]
    run[verb] = (...args) => {
      const from = now()
      log.apply(run, args)
      figures[1] = Math.max(figures[1], now() - from)
      figures[0] += countOf(args[0])
      writeSync(file, figures, 0, figures.byteLength, 0)
    }
  }
  const known = new WeakSet()
  function counting(run) {
    if (known.has(run)) return run
    known.add(run)
    // Not when it is first needed: a script may leave no descriptors.
    file ??= openSync(join(dir, randomUUID()), 'w')
    time(run, 'logMetric', () => 1)
    time(run, 'logMetrics', (metrics) => Object.values(metrics).filter((value) => value != null).length)
    return run
  }

  return {
    ...cairn,
    startRun(...args) {
      const body = args.at(-1)
      if (typeof body === 'function') return cairn.startRun(...args.slice(0, -1), (run) => body(counting(run)))
      return cairn.startRun(...args).then(counting)
    },
    createClient(...args) {
      const client = cairn.createClient(...args)
      const { startRun } = client
      client.startRun = (...how) => startRun.apply(client, how).then(counting)
      return client
    },
  }
}
