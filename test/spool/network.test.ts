import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { answering } from '../support/answering.js'
import { type Between, between, carriesBatch, type Meet } from '../support/between.js'
import { canMakeCertificates, certificates } from '../support/certificates.js'
import type { ChildOptions, Ended } from '../support/child.js'
import { expectWhole, type Stand, stand } from '../support/spool-child.js'

const COUNT = 2000
const closers: (() => unknown)[] = []
afterAll(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const open = async (): Promise<Stand> => {
  const at = await stand()
  closers.push(() => at.stop())
  return at
}
const whole = async (at: Stand, ended: Ended) => expectWhole(await at.outcome(ended), COUNT)

/** Does something the first time that a child has said a word. */
const once = (word: string, act: (all: string, write: (text: string) => void) => void | Promise<void>) => {
  let isDone = false
  return (all: string, _: unknown, write: (text: string) => void): void | Promise<void> => {
    if (isDone || !all.includes(word)) return
    isDone = true
    return act(all, write)
  }
}

/** Begins a run, waits for a word, logs, and ends when it has all arrived; says how far its memory grew. */
const BODY = `const run = await startRun(); logMetric('loss', 0, 0); await run.flush()
  globalThis.gc?.()
  const before = process.memoryUsage().rss
  let peak = before
  setInterval(() => { peak = Math.max(peak, process.memoryUsage().rss) }, 10).unref()
  console.log('begun')
  await new Promise((go) => process.stdin.once('data', go)); process.stdin.destroy()
  for (let i = 1; i < ${COUNT}; i++) logMetric('loss', i, i)
  console.log('logged')
  while (run.stats().delivered < ${COUNT}) await run.flush({ timeoutMs: 1000 }).catch(() => {})
  console.log(JSON.stringify({ ...run.stats(), grownMiB: (peak - before) / 2 ** 20 }))
  await endRun()`

interface Told {
  readonly delivered: number
  readonly refused: number
  readonly spooled: number
  readonly grownMiB: number
}
const told = (stdout: string): Told => JSON.parse(stdout.trim().split('\n').at(-1)!) as Told

/** A child that logs through a front, which does to its batches what it is told once the run has begun. */
async function through(
  at: Stand,
  front: Between,
  meet: Meet,
  { until, ...more }: Partial<ChildOptions> & { readonly until: (front: Between) => boolean },
) {
  return at.run(BODY, {
    ...more,
    env: { MLFLOW_TRACKING_URI: front.url, ...more.env },
    onStdout: once('begun', (_, write) => {
      front.meet = meet
      write('go\n')
      const look = setInterval(() => {
        if (!until(front)) return
        clearInterval(look)
        front.meet = () => false
      }, 10)
    }),
  })
}

const batches = (front: Between) => front.seen.filter(carriesBatch).length

/** A body that unpacks to a thousand times its size. */
const bomb = gzipSync(Buffer.alloc(512 << 20), { level: 9 })

/** Of each, how often it answers a batch before it is sane; five times by default. */
const nonsense: [string, (response: ServerResponse) => void, number?][] = [
  ['HTML', (to) => void to.writeHead(200, { 'content-type': 'text/html' }).end('<html>Sign in</html>')],
  ['nothing', (to) => void to.writeHead(200).end()],
  ['a list', (to) => void to.writeHead(200, { 'content-type': 'application/json' }).end('[]')],
  ['null', (to) => void to.writeHead(200, { 'content-type': 'application/json' }).end('null')],
  ['JSON that nests 100,000 deep', (to) => void to.writeHead(200).end('['.repeat(1e5))],
  [
    'text in another charset',
    (to) =>
      void to
        .writeHead(200, { 'content-type': 'application/json; charset=utf-16' })
        .end(Buffer.from('{"a":1}', 'utf16le')),
  ],
  [
    'JSON without end',
    (to) => {
      to.writeHead(200, { 'content-type': 'application/json' }).write('{"a":"')
      const more = () => {
        while (to.writable && !to.destroyed) if (!to.write(Buffer.alloc(1 << 20, 'a'))) break
      }
      to.on('drain', more)
      more()
    },
  ],
  ['a bomb of gzip', (to) => void to.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)],
  ['a body that is not the gzip it claims', (to) => void to.writeHead(200, { 'content-encoding': 'gzip' }).end('{}')],
  [
    'a thousand encodings',
    (to) => void to.writeHead(200, { 'content-encoding': Array(1000).fill('gzip').join(', ') }).end('{}'),
  ],
  [
    'information before it, and then nothing',
    (to) => {
      to.writeProcessing()
      to.writeEarlyHints({ link: '</x>; rel=preload' })
      to.destroy()
    },
    // Each batch is sent again at once a few times: its connection may have been closed before it.
    15,
  ],
  ['that nothing has changed (304)', (to) => void to.writeHead(304).end()],
  ['an error page without end', (to) => void to.writeHead(500).end(Buffer.alloc(80 << 20, 'x'))],
]

describe('a server that answers a batch with 200 and', () => {
  it.each(nonsense)(
    '%s, has taken nothing: all waits in little memory, and arrives once when it is sane',
    async (_, act, asked = 5) => {
      const at = await open()
      const front = await between(at.url)
      closers.push(front.close)
      const before = batches(front)
      const ended = await through(
        at,
        front,
        (seen, to) => {
          if (carriesBatch(seen)) act(to)
          return carriesBatch(seen)
        },
        {
          until: () => batches(front) >= before + asked,
        },
      )
      await whole(at, ended)
      expect(told(ended.stdout)).toMatchObject({ delivered: COUNT, refused: 0, spooled: 0 })
      expect(told(ended.stdout).grownMiB).toBeLessThan(64)
      expect(ended.stderr.match(/does not take what is logged/g)).toHaveLength(1)
      expect(ended.stderr.match(/takes what is logged again/g)).toHaveLength(1)
      expect(at.left()).toEqual([])
    },
  )
})

describe('a way that was right and is not any more', () => {
  const canary = 't0ken-c4nary'
  const quiet = (text: string) => expect(text).not.toContain(canary)

  it('redirects: nobody else is told anything, and all arrives when they are gone', async () => {
    const at = await open()
    const other = await answering((_, response) => void response.writeHead(200).end('{}'))
    const front = await between(at.url)
    closers.push(front.close)
    const places = [
      `${other.url}/api/2.0/mlflow/runs/log-batch`,
      `//127.0.0.1:${other.port}/x`,
      '/api/2.0/mlflow/runs/log-batch',
      'file:///etc/passwd',
      '',
    ]
    let count = 0
    const ended = await through(
      at,
      front,
      (seen, to) => {
        if (!carriesBatch(seen)) return false
        const status = [301, 302, 303, 307, 308][count % 5]!
        to.writeHead(status, { location: places[count++ % places.length]! }).end()
        return true
      },
      { until: () => count > 5, env: { MLFLOW_TRACKING_TOKEN: canary } },
    )
    await whole(at, ended)
    expect(other.seen).toEqual([])
    expect(ended.stderr.match(/does not take what is logged/g)).toHaveLength(1)
    quiet(ended.stderr + ended.stdout)
  })

  it('tokens with a line break: told without showing them, and all arrives with the right one', async () => {
    const at = await open()
    const front = await between(at.url)
    closers.push(front.close)
    const wants =
      (token: string): Meet =>
      (seen, to) => {
        if (seen.headers.authorization === `Bearer ${token}`) return false
        to.writeHead(401, { 'content-type': 'application/json' }).end('{"error_code":"UNAUTHENTICATED","message":"no"}')
        return true
      }
    front.meet = wants('first')
    const body = BODY.replace(
      "console.log('logged')",
      `console.log('logged'); await new Promise((later) => setTimeout(later, 1500))
      process.env.MLFLOW_TRACKING_TOKEN = '${canary}\\nX-Other: 1'; await run.flush({ timeoutMs: 1500 }).catch((error) => console.error('flush: ' + error.message))
      process.env.MLFLOW_TRACKING_TOKEN = 'second\\n'`,
    )
    const ended = await at.run(body, {
      env: { MLFLOW_TRACKING_URI: front.url, MLFLOW_TRACKING_TOKEN: 'first' },
      onStdout: once('begun', (_, write) => {
        front.meet = wants('second')
        write('go\n')
      }),
    })
    await whole(at, ended)
    expect(told(ended.stdout)).toMatchObject({ delivered: COUNT, refused: 0 })
    expect(ended.code).toBe(0)
    quiet(ended.stderr + ended.stdout)
    expect(front.seen.every(({ headers }) => headers['x-other'] === undefined)).toBe(true)
  })

  it('an address with a password is never shown, whatever goes wrong', async () => {
    const at = await open()
    const front = await between(at.url)
    closers.push(front.close)
    const url = front.url.replace('http://', `http://somebody:${canary}@`)
    let count = 0
    const ended = await through(
      at,
      front,
      (seen, to) => {
        if (!carriesBatch(seen)) return false
        const status = [401, 500, 403, 404, 302][count++ % 5]!
        to.writeHead(status, { 'content-type': 'text/html' }).end(`<html>${seen.headers.authorization}`)
        return true
      },
      { until: () => count > 3, env: { MLFLOW_TRACKING_URI: url } },
    )
    await whole(at, ended)
    const basic = Buffer.from(`somebody:${canary}`).toString('base64')
    expect(front.seen.at(-1)?.headers.authorization).toBe(`Basic ${basic}`)
    quiet(ended.stderr + ended.stdout)
    expect(ended.stderr).not.toContain(basic)
  })

  it.skipIf(!canMakeCertificates)(
    'a certificate of somebody else: nothing is sent until it is right again',
    async () => {
      const at = await open()
      const [right, wrong] = [certificates(), certificates()]
      const ca = join(at.cwd, 'ca.pem')
      writeFileSync(ca, right.ca)
      let front = await between(at.url, () => false, { tls: right })
      const { port, url } = front
      closers.push(() => front.close())
      let seenByWrong = -1
      const ended = await at.run(BODY, {
        env: { MLFLOW_TRACKING_URI: url, MLFLOW_TRACKING_SERVER_CERT_PATH: ca },
        onStdout: once('begun', async (_, write) => {
          await front.close()
          let knocked = 0
          const bad = await between(at.url, () => false, { port, tls: wrong, onSocket: () => void knocked++ })
          write('go\n')
          while (knocked < 3) await wait(20)
          seenByWrong = bad.seen.length
          await bad.close()
          front = await between(at.url, () => false, { port, tls: right })
        }),
      })
      await whole(at, ended)
      expect(told(ended.stdout)).toMatchObject({ delivered: COUNT, refused: 0 })
      expect(seenByWrong).toBe(0)
      expect(ended.stderr.match(/is not trusted/g)?.length).toBeGreaterThan(0)
      expect(ended.stderr.match(/does not take what is logged/g)).toHaveLength(1)
    },
  )

  it.each([407, 403, 502])('a proxy that answers %d: kept until it lets through again', async (status) => {
    const at = await open()
    const proxy = await between(at.url)
    closers.push(proxy.close)
    let count = 0
    const ended = await through(
      at,
      proxy,
      (_, to) => {
        count++
        to.writeHead(status, { 'content-type': 'text/html' }).end('<html>proxy')
        return true
      },
      {
        until: () => count >= 3,
        env: {
          MLFLOW_TRACKING_URI: 'http://mlflow.example:5000',
          MLFLOW_TRACKING_TOKEN: 't',
          MLFLOW_TRACKING_INSECURE_TLS: 'true',
          HTTP_PROXY: proxy.url,
          http_proxy: proxy.url,
          NO_PROXY: '',
          no_proxy: '',
        },
      },
    )
    await whole(at, ended)
    expect(told(ended.stdout)).toMatchObject({ delivered: COUNT, refused: 0 })
    expect(proxy.seen.at(-1)?.url).toMatch(/^http:\/\/mlflow\.example:5000\//)
    // By all ways of both threads together; and there is no certificate that could be checked.
    expect(ended.stderr.match(/Credentials go to .* unencrypted/g)).toHaveLength(1)
    expect(ended.stderr).not.toContain('The certificate of')
  })
})

it('a server that closes each connection behind its answer has all once', async () => {
  const at = await open()
  const front = await between(at.url, (_, to) => {
    const { socket } = to
    to.once('finish', () => socket?.end())
    return false
  })
  closers.push(front.close)
  const ended = await at.run(
    `const run = await startRun()
     for (let i = 0; i < ${COUNT}; i++) {
       logMetric('loss', i, i)
       if (i % 100 === 0) await run.flush()
     }
     await endRun()`,
    { env: { MLFLOW_TRACKING_URI: front.url } },
  )
  await whole(at, ended)
  expect(ended.stderr).toBe('')
  expect(batches(front)).toBeGreaterThan(10)
})

describe('a server that is slow', () => {
  it('with an answer of a byte now and then is given up and asked again; another server has all meanwhile', async () => {
    const at = await open()
    const [front, other] = [await between(at.url), await open()]
    closers.push(front.close)
    let isSlow = true
    let struck = 0
    front.meet = (seen, to) => {
      if (!isSlow || !carriesBatch(seen)) return false
      struck++
      // Half of them have not even sent their headers: the first bytes of an answer, and no line end.
      if (struck % 2 === 0) to.socket?.write('HTTP/1.1 20')
      else to.writeHead(200, { 'content-length': '1000' }).write(' ')
      const drip = setInterval(() => (struck % 2 === 0 ? to.socket?.write('0') : to.write(' ')), 200)
      to.on('close', () => clearInterval(drip))
      return true
    }
    const ended = await at.run(
      `const run = await startRun()
       const other = cairn.createClient({ trackingUri: '${other.url}' })
       const second = await other.startRun()
       for (let i = 0; i < ${COUNT}; i++) { logMetric('loss', i, i); second.logMetric('loss', i, i) }
       await second.end()
       const now = run.stats()
       console.log(JSON.stringify({ slow: now.delivered, fast: second.stats().delivered }))
       await run.flush()
       await endRun(); await other.close()`,
      {
        env: { MLFLOW_TRACKING_URI: front.url, MLFLOW_HTTP_REQUEST_TIMEOUT: '2' },
        onStdout: once('slow', () => {
          const look = setInterval(() => {
            if (struck < 3) return
            clearInterval(look)
            isSlow = false
          }, 20)
        }),
      },
    )
    expect(JSON.parse(ended.stdout)).toEqual({ slow: 0, fast: COUNT })
    await whole(at, ended)
    await whole(other, ended)
  }, 60_000)
})

describe.skipIf(process.platform !== 'linux')('a server that swallows every knock', () => {
  /** A listener that is frozen and whose queue is full: the system drops what comes. */
  const HOLE = `require('node:net').createServer().listen({ port: Number(process.argv[1]), host: '127.0.0.1', backlog: 1 }, () => console.log('up'))`

  it('is knocked at by few at a time, and gets all once when it is awake', async () => {
    const at = await open()
    let worst = 0
    const fillers: Socket[] = []
    let struck: Promise<void> | undefined
    const strike = async (pid: number, write: (text: string) => void): Promise<void> => {
      await at.stop()
      const hole = spawn(process.execPath, ['-e', HOLE, String(at.port)])
      await new Promise((up) => hole.stdout.once('data', up))
      hole.kill('SIGSTOP')
      for (let i = 0; i < 8; i++) fillers.push(connect(at.port, '127.0.0.1').on('error', () => {}))
      await wait(300)
      write('go\n')
      const until = performance.now() + 6000
      while (performance.now() < until) {
        worst = Math.max(worst, knocking(pid, at.port))
        await wait(50)
      }
      hole.kill('SIGKILL')
      for (const socket of fillers) socket.destroy()
      await new Promise((gone) => hole.once('close', gone))
      await at.start()
    }
    const ended = await at.run(BODY.replace("'begun'", "'begun ' + process.pid + ' '"), {
      onStdout: once('begun', (all, write) => {
        struck = strike(Number(/begun (\d+)/.exec(all)?.[1]), write)
        return struck
      }),
    })
    await struck
    await whole(at, ended)
    expect(told(ended.stdout)).toMatchObject({ delivered: COUNT, refused: 0 })
    expect(worst).toBeGreaterThan(0)
    expect(worst).toBeLessThanOrEqual(6)
  }, 90_000)

  const socketsOf = (pid: number): string[] =>
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? []
      } catch {
        // Closed since it was listed.
        return []
      }
    })

  /** How many connections of a process to a port wait for an answer. */
  function knocking(pid: number, port: number): number {
    const sent = '02'
    const hex = port.toString(16).toUpperCase().padStart(4, '0')
    const own = new Set(socketsOf(pid))
    return readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(
        ([, , remote, state, , , , , , inode]) => remote?.endsWith(`:${hex}`) && state === sent && own.has(inode!),
      ).length
  }
})
