import type { ServerResponse } from 'node:http'
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { answering } from '../support/answering.js'
import { child } from '../support/child.js'
import { tempDir } from '../support/temp-dir.js'

const json = { 'content-type': 'application/json' }
const zeros = Buffer.alloc(16 << 20, ' ')
/** Members of gzip stand one behind the other: a megabyte that unpacks to a gigabyte. */
const gzipped = Buffer.concat(Array(64).fill(gzipSync(zeros, { level: 9 })))
const deflated = deflateSync(Buffer.alloc(64 << 20))
const pressed = brotliCompressSync(Buffer.alloc(64 << 20), { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })
const ENDLESS = 10 * 2 ** 30

let sent = 0
/** Writes as fast as it is read, until all is said or nobody listens. */
function flood(response: ServerResponse): void {
  const chunk = Buffer.from(`{"experiment_id":"1","name":"${'x'.repeat(65_000)}"},`)
  response.write('{"experiments":[')
  const more = () => {
    while (sent < ENDLESS && !response.destroyed) {
      sent += chunk.length
      if (!response.write(chunk)) return
    }
    response.end()
  }
  response.on('drain', more)
  more()
}

const ANSWERS: [string, (response: ServerResponse) => void][] = [
  ['HTML', (to) => to.writeHead(200, { 'content-type': 'text/html' }).end('<html><title>Sign in</title></html>')],
  ['nothing', (to) => to.writeHead(200).end()],
  ['null', (to) => to.writeHead(200, json).end('null')],
  ['10 GB of JSON as a stream', (to) => flood(to.writeHead(200, json))],
  ['10 GB of JSON by its length', (to) => flood(to.writeHead(200, { ...json, 'content-length': ENDLESS }))],
  ['a gigabyte in a megabyte of gzip', (to) => to.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(gzipped)],
  [
    'a gzip bomb that says it is an error',
    (to) => to.writeHead(500, { ...json, 'content-encoding': 'gzip' }).end(gzipped),
  ],
  ['a bomb of deflate', (to) => to.writeHead(200, { ...json, 'content-encoding': 'deflate' }).end(deflated)],
  ['a bomb of brotli', (to) => to.writeHead(200, { ...json, 'content-encoding': 'br' }).end(pressed)],
  [
    'a thousand encodings',
    (to) => to.writeHead(200, { ...json, 'content-encoding': Array(1000).fill('gzip').join(', ') }).end('x'),
  ],
  ['lists eight million deep', (to) => to.writeHead(200, json).end('['.repeat(8e6))],
  ['lists within lists, all closed', (to) => to.writeHead(200, json).end('['.repeat(2e6) + ']'.repeat(2e6))],
  ['objects within objects', (to) => to.writeHead(200, json).end('{"a":'.repeat(1e6))],
  ['a text without an end', (to) => to.writeHead(200, json).end(`{"a":NaN,"b":"${'\\"'.repeat(2e6)}`)],
  ['UTF-16', (to) => to.writeHead(200, json).end(Buffer.from('{"experiments":[]}', 'utf16le'))],
  ['Latin-1', (to) => to.writeHead(200, json).end(Buffer.from('{"experiments":[],"a":"é"}', 'latin1'))],
  ['garbage that calls itself gzip', (to) => to.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end('x')],
]

const SCRIPT = `
import { createClient } from 'CAIRN'
const clientAt = (path) => createClient({ trackingUri: process.env.SERVER + path, retry: { maxRetries: 0 } })
await clientAt('/well').searchExperiments()
const mb = (bytes) => Math.round(bytes / 2 ** 20)
for (let n = 0; n < ${ANSWERS.length}; n++) {
  const client = clientAt('/' + n)
  globalThis.gc()
  const before = process.memoryUsage().rss
  const highest = process.resourceUsage().maxRSS
  let peak = before
  const watch = setInterval(() => { peak = Math.max(peak, process.memoryUsage().rss) }, 2)
  const error = await client.searchExperiments().catch((thrown) => thrown)
  clearInterval(watch)
  const after = process.resourceUsage().maxRSS
  if (after > highest) peak = Math.max(peak, after * 1024)
  await client.close()
  console.log(JSON.stringify([error?.name, error?.message ?? JSON.stringify(error), mb(peak - before)]))
}`

describe('an answer that is none', () => {
  it('is a typed error, and costs less than 64 MB of memory', { timeout: 120_000 }, async () => {
    const server = await answering(({ url }, response) => {
      const at = url.split('/')[1] ?? ''
      if (!url.endsWith('experiments/search')) response.writeHead(404).end()
      else if (at === 'well') response.writeHead(200, json).end('{"experiments":[]}')
      else ANSWERS[Number(at)]?.[1](response)
    })
    const ended = await child(SCRIPT, {
      cwd: tempDir(),
      env: { SERVER: server.url },
      nodeOptions: ['--expose-gc'],
    })
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    const found = ended.stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as [string, string, number])
    expect(found.map(([name], at) => [ANSWERS[at]?.[0], name])).toEqual(
      ANSWERS.map(([what]) => [what, what.includes('error') ? 'UnavailableError' : 'ProtocolError']),
    )
    for (const [at, [, message, grown]] of found.entries()) {
      expect(message, ANSWERS[at]?.[0]).toContain(`${server.url}/${at}/api/2.0/mlflow/experiments/search answered`)
      expect(grown, ANSWERS[at]?.[0]).toBeLessThan(64)
    }
    expect(sent).toBeLessThan(2 ** 30)
  })
})
