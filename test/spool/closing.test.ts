import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it, vi } from 'vitest'
import { workerHands } from '../../src/wire/worker-hands.js'
import { stand } from '../support/spool-child.js'
import { tempDir } from '../support/temp-dir.js'

it('a client that is closed lets go of what another process had left and its server has not taken yet', async () => {
  const at = await stand()
  await at.stop()
  const killed = await at.run(`await startRun(); logMetric('loss', 0, 0); process.kill(process.pid, 'SIGKILL')`)
  expect(killed.signal).toBe('SIGKILL')
  const ended = await at.run(
    `import { readdirSync } from 'node:fs'
    const first = createClient()
    const run = await first.startRun()
    const isClaimed = () => readdirSync('spool', { recursive: true }).some((name) => name.endsWith('owner.1'))
    while (!isClaimed()) await new Promise((later) => setTimeout(later, 10))
    await first.close()
    console.log('closed')
    await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy()
    const second = createClient()
    const all = await second.deliverSpool()
    await second.close()
    console.log(JSON.stringify(all.map(({ complete, busy }) => ({ complete, busy }))))`,
    {
      env: { CAIRN_SPOOL_DIR: at.spoolDir },
      onStdout: (all, _, write) => {
        if (all.includes('closed') && !at.server) return at.start().then(() => write('go\n'))
      },
    },
  )
  const done = { complete: true, busy: false }
  expect(JSON.parse(ended.stdout.split('\n')[1] ?? '')).toEqual([done, done])
  expect(at.left()).toEqual([])
  await at.stop()
}, 60_000)

it('the thread that delivers is closed once, however often its client is', async () => {
  const file = join(tempDir(), 'thread.mjs')
  writeFileSync(
    file,
    `import { parentPort } from 'node:worker_threads'
    parentPort.on('message', ({ word }) => word === 'close' && parentPort.postMessage({ word: 'closed' }))`,
  )
  const fallback = { close: vi.fn(async () => {}) }
  const hands = workerHands(pathToFileURL(file), { fallback, place: {} } as never)
  hands.lookForLeft(false)
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  try {
    await Promise.all([hands.close(), hands.close()])
    await hands.close()
  } finally {
    vi.useRealTimers()
  }
  expect(fallback.close).toHaveBeenCalledTimes(3)
}, 5_000)
