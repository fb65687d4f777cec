import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { download } from '../../src/artifacts/download.js'
import { fileArtifacts } from '../../src/artifacts/file.js'
import { proxied } from '../../src/artifacts/proxied.js'
import { upload } from '../../src/artifacts/upload.js'
import { sender } from '../../src/http/send.js'
import { createClient, ProtocolError, UnsafePathError } from '../../src/index.js'
import { startTestServer } from '../../src/testing/index.js'
import { answering, asJson, rejection } from '../support/answering.js'
import { tempDir } from '../support/temp-dir.js'

it.each(['50%25.csv', 'a%2Fb.txt', 'x%20y.txt', 'd%41/x.txt'])(
  '%j, which a server would keep under another name, is refused before anything is sent',
  async (name) => {
    await using server = await startTestServer()
    await using client = createClient({ trackingUri: server.url })
    const run = await client.startRun()
    const from = tempDir()
    mkdirSync(join(from, name, '..'), { recursive: true })
    writeFileSync(join(from, '50%.csv'), 'half')
    writeFileSync(join(from, name), 'x')
    const refused = run.logArtifacts(from)
    await expect(refused).rejects.toThrow(UnsafePathError)
    await expect(refused).rejects.toThrow(/"%(?:25|2F|20|41)".*rename/)
    await expect(run.logText('x', name)).rejects.toThrow(UnsafePathError)
    await expect(run.logText('x', 'a.txt')).resolves.toBeUndefined()
    await expect(run.logArtifact(join(from, '50%.csv'))).resolves.toBeUndefined()
    expect((await client.listArtifacts(run.runId)).map(({ path }) => path)).toEqual(['50%.csv', 'a.txt'])
  },
)

it.each([
  ['why?/answer.txt', /drop the "\?" of "why\?".*never list/],
  ['a/b;/answer.txt', /drop the ";" of "a\/b;".*never list/],
  ['?/answer.txt', /drop the "\?"/],
  ['a;?b', /drop the ";"/],
  ['file?', /another name/],
])('%j, of which a server would drop a character, is refused before anything is sent', async (name, reason) => {
  await using server = await startTestServer()
  await using client = createClient({ trackingUri: server.url })
  const run = await client.startRun()
  const from = tempDir()
  mkdirSync(join(from, name, '..'), { recursive: true })
  writeFileSync(join(from, 'a.txt'), 'a')
  writeFileSync(join(from, name), 'x')
  for (const log of [() => run.logArtifacts(from), () => run.logText('x', name)]) {
    const error = await rejection(log())
    expect(error).toBeInstanceOf(UnsafePathError)
    expect(error.message).toMatch(reason)
    expect(error.message).toMatch(/rename it/)
  }
  expect(await client.listArtifacts(run.runId)).toEqual([])
})

it.each(['why??/x', 'a;;/x', 'a;b/x', 'a?b;', 'a?b/c?/x'])(
  '%j, which a server keeps as it is, is taken',
  async (name) => {
    await using server = await startTestServer()
    await using client = createClient({ trackingUri: server.url })
    const run = await client.startRun()
    await run.logText('as it is', name)
    const file = await client.downloadArtifacts({ runId: run.runId, path: name })
    expect(readFileSync(file, 'utf8')).toBe('as it is')
  },
)

it('a folder on a server that could only be listed as another one is an error, not an empty folder', async () => {
  const dir = tempDir()
  await using server = await startTestServer({ dir })
  await using client = createClient({ trackingUri: server.url })
  const run = await client.startRun()
  const root = run.artifactUri.replace(/^mlflow-artifacts:\/*/, '')
  await fileArtifacts(join(dir, 'artifacts')).write(`${root}/why?/x.txt`, new Blob(['old']))
  expect(await client.listArtifacts(run.runId)).toMatchObject([{ path: 'why?', isDir: true }])
  await expect(client.listArtifacts(run.runId, 'why?')).rejects.toThrow(/why\?" cannot be listed.*rename it/)
  await expect(client.downloadArtifacts({ runId: run.runId })).rejects.toThrow(UnsafePathError)
  await run.end()
  const copied = await client.sync(server.url, { to: tempDir() })
  expect(copied.failed).toMatchObject([{ error: { message: expect.stringMatching(/cannot be listed/) } }])
})

it('a name with an escape that is on a server already is listed and read', async () => {
  const dir = tempDir()
  await using server = await startTestServer({ dir })
  await using client = createClient({ trackingUri: server.url })
  const run = await client.startRun()
  const root = run.artifactUri.replace(/^mlflow-artifacts:\/*/, '')
  await fileArtifacts(join(dir, 'artifacts')).write(`${root}/x%20y.txt`, new Blob(['old']))
  expect(await client.listArtifacts(run.runId)).toMatchObject([{ path: 'x%20y.txt', fileSize: 3 }])
  const file = await client.downloadArtifacts({ runId: run.runId, path: 'x%20y.txt' })
  expect(readFileSync(file, 'utf8')).toBe('old')
})

it('a download in chunks that breaks off is begun anew, as of a server whose worker was killed', async () => {
  const server = await answering(({ url }, response, count) => {
    if (!url.includes('/artifacts/')) return asJson(response, { files: [{ path: 'a.bin', file_size: 10 }] })
    response.writeHead(200, { 'transfer-encoding': 'chunked', connection: 'close' }).write('12345')
    if (count > 2) response.end('67890')
    else setTimeout(() => response.socket?.destroy(), 20)
  })
  const to = tempDir()
  const store = await proxied(sender({ url: server.url }))('mlflow-artifacts:/1/r/artifacts')
  await download(store, 'a.bin', to)
  expect(readFileSync(join(to, 'a.bin'), 'utf8')).toBe('1234567890')
  expect(server.seen).toHaveLength(3)
})

it('a download whose bytes break off is begun no more often than retries were allowed', async () => {
  const server = await answering(({ url }, response) => {
    if (!url.includes('/artifacts/')) return asJson(response, { files: [{ path: 'a.bin', file_size: 10 }] })
    response.writeHead(200, { 'content-length': '10' }).write('12345', () => response.socket?.destroy())
  })
  const store = await proxied(sender({ url: server.url }), { rules: { attempts: 2 } })(
    'mlflow-artifacts:/1/r/artifacts',
  )
  expect(await rejection(download(store, 'a.bin', tempDir()))).toMatchObject({ name: 'NetworkError' })
  expect(server.seen.filter(({ url }) => url.includes('/artifacts/'))).toHaveLength(2)
})

it.each([
  [500, 2],
  [400, 1],
])('a file whose name MLflow 2 cannot send, which it answers with %i and a page, says so', async (status, tries) => {
  const server = await answering((_, response) => {
    response.writeHead(status, { 'content-type': 'text/html' }).end('<html><title>Internal Server Error</title></html>')
  })
  const rules = { factorMs: 0, jitterMs: 0 }
  const store = await proxied(sender({ url: server.url }), { rules })('mlflow-artifacts:/1/r/artifacts')
  const error = await rejection(store.read('日本.txt'))
  expect(error).toMatchObject({ name: 'NetworkError', retryable: false })
  expect(error.message).toContain('characters outside Latin-1')
  expect(server.seen).toHaveLength(tries)
  expect((await rejection(store.read('plain.txt'))).message).toContain('with an HTML page')
})

it.each([200, 204])('a list of artifacts answered by %i and nothing is no empty folder', async (status) => {
  await using server = await startTestServer()
  await using client = createClient({ trackingUri: server.url })
  const run = await client.startRun()
  await run.logText('x', 'd/x.txt')
  const asked = { runId: run.runId, path: 'd' }
  server.faults.add({ on: 'artifacts', status, body: '' })
  await expect(client.listArtifacts(run.runId, 'd')).rejects.toThrow(ProtocolError)
  server.faults.add({ on: 'artifacts', status, body: '' })
  await expect(client.downloadArtifacts(asked)).rejects.toThrow(/with nothing where MLflow's JSON belongs/)
  expect(readdirSync(await client.downloadArtifacts(asked))).toEqual(['x.txt'])
  server.faults.add({ on: 'artifacts', status, body: '', carriedOut: true })
  await expect(run.logText('y', 'd/y.txt')).resolves.toBeUndefined()
})

it('a folder whose list comes empty once is brought to where the answer says', async () => {
  await using server = await startTestServer()
  await using client = createClient({ trackingUri: server.url })
  const run = await client.startRun()
  await run.logText('x', 'd/x.txt')
  server.faults.add({ on: 'artifacts', status: 200, headers: { 'content-type': 'application/json' }, body: '{}' })
  expect(existsSync(await client.downloadArtifacts({ runId: run.runId, path: 'd' }))).toBe(true)
})

it.each([
  ['d/日本語.txt', 2, /MLflow 2 on gunicorn cannot send .* Latin-1.*another name/],
  ['日本語/é.txt', 4, /ended the connection without an answer/],
])('a download of %j whose connection breaks before any answer is tried %i times', async (name, times, said) => {
  const server = await answering((_, response) => void response.socket?.destroy())
  const clock = { now: () => 0, random: () => 0, sleep: async () => {} }
  const store = await proxied(sender({ url: server.url }), { rules: { attempts: 4 }, clock })('mlflow-artifacts:/1/r')
  expect((await rejection((async () => store.read(name))())).message).toMatch(said)
  expect(server.seen).toHaveLength(times)
})

it.each([200, 204])('a file that %i and nothing answers is stored only if it is there', async (status) => {
  await using server = await startTestServer()
  await using client = createClient({ trackingUri: server.url })
  const run = await client.startRun()
  await run.logText('older', 'd/x.txt')
  server.faults.add({ on: 'artifacts', status, body: '' })
  await run.logText('x', 'd/x.txt')
  expect((await client.listArtifacts(run.runId, 'd')).map(({ fileSize }) => fileSize)).toEqual([1])
})

it('a file that is stored and answered with nothing is sent once, also where it is looked for in vain at first', async () => {
  await using server = await startTestServer()
  await using client = createClient({ trackingUri: server.url })
  const run = await client.startRun()
  server.faults.add({ on: 'artifacts', status: 204, body: '', carriedOut: true })
  server.faults.add({ on: 'artifacts', status: 503 })
  await run.logText('x', 'd/x.txt')
  const sent = server.requests.filter(({ operation }) => operation === 'artifacts').map(({ method }) => method)
  expect(sent).toEqual(['PUT', 'GET', 'GET'])
})

it('a file that is answered with nothing and never there is an error that says so', async () => {
  const server = await answering(({ method }, response) => {
    if (method === 'GET') return asJson(response, { files: [] })
    response.writeHead(204).end()
  })
  const rules = { attempts: 2, jitterMs: 0 }
  const store = await proxied(sender({ url: server.url }), { rules })('mlflow-artifacts:/1/r/artifacts')
  const error = await rejection(store.write('d/x.txt', new Blob(['x'])))
  expect(error).toMatchObject({ name: 'ProtocolError', status: 204, retryable: true })
  expect(error.message).toMatch(/answered 204 with nothing, and "d\/x.txt" is not there/)
  expect(server.seen.filter(({ method }) => method === 'PUT')).toHaveLength(2)
})

it('a list whose files have null for what is not known is one', async () => {
  const files = [{ path: 'a', is_dir: null, file_size: null }]
  const server = await answering((_, response) => asJson(response, { files }))
  const store = await proxied(sender({ url: server.url }))('mlflow-artifacts:/r')
  expect(await store.list('')).toEqual([{ path: 'a', isDir: false, size: 0 }])
})

it.each([
  ['a/b.txt', '"a" is a file there, not a folder; log it under another name'],
  ['d/e', 'it is a folder there, not a file'],
  ['d/f', ''],
])('an upload to %j that a server stumbles over is refused once something is in its way', async (path, said) => {
  const folders: Readonly<Record<string, object>> = {
    r: {
      files: [
        { path: 'a', is_dir: false, file_size: 1 },
        { path: 'd', is_dir: true },
      ],
    },
    'r/d': { files: [{ path: 'e', is_dir: true }] },
  }
  const server = await answering(({ method, url }, response) => {
    if (method === 'PUT') response.writeHead(500).end('Internal Server Error')
    else asJson(response, folders[new URL(url, 'http://x').searchParams.get('path') ?? ''] ?? {})
  })
  const clock = { now: () => 0, random: () => 0, sleep: async () => {} }
  const store = await proxied(sender({ url: server.url }), { rules: { attempts: 2 }, clock })('mlflow-artifacts:/r')
  const error = await rejection(store.write(path, new Blob(['x'])))
  expect(error).toMatchObject(
    said === ''
      ? { name: 'UnavailableError', status: 500 }
      : {
          name: 'InvalidParameterError',
          retryable: false,
          message: expect.stringContaining(`${JSON.stringify(path)} cannot be kept: ${said}`),
        },
  )
  expect(server.seen.filter(({ method }) => method === 'PUT')).toHaveLength(2)
})

it('a passing 500 refuses no file whose folder a bucket has a file in place of, also where each try is a call', async () => {
  const server = await answering(({ method }, response, count) => {
    if (method === 'GET') return asJson(response, { files: [{ path: 'a', file_size: 1 }] })
    if (count % 2 === 1) response.writeHead(500).end('Internal Server Error')
    else asJson(response, {})
  })
  const store = await proxied(sender({ url: server.url }), { rules: { attempts: 1 } })('mlflow-artifacts:/r')
  for (let upload = 0; upload < 2; upload++) {
    expect((await rejection(store.write('a/b', new Blob(['x'])))).name).toBe('UnavailableError')
    await store.write('a/b', new Blob(['x']))
  }
  expect(server.seen.map(({ method }) => method)).toEqual(['PUT', 'PUT', 'PUT', 'PUT'])
})

it('a file in the way is found at the second of two single tries, though each opens the store', async () => {
  const server = await answering(({ method }, response) => {
    if (method === 'GET') return asJson(response, { files: [{ path: 'a', file_size: 1 }] })
    response.writeHead(500).end('Internal Server Error')
  })
  const open = proxied(sender({ url: server.url }), { rules: { attempts: 1 } })
  const write = async () => (await open('mlflow-artifacts:/r')).write('a/b', new Blob(['x']))
  expect((await rejection(write())).name).toBe('UnavailableError')
  expect((await rejection(write())).name).toBe('InvalidParameterError')
})

it('a page that answers where a table was asked for is not taken for what is there', async () => {
  await using server = await startTestServer()
  await using client = createClient({ trackingUri: server.url })
  const run = await client.startRun()
  const page = { status: 200, body: '<html><title>Sign in</title></html>', headers: { 'content-type': 'text/html' } }
  server.faults.add({ on: 'artifacts', ...page })
  const error = await rejection(run.logTable([{ a: 1 }], 't.json'))
  expect(error).toBeInstanceOf(ProtocolError)
  expect(error.message).toContain('"t.json" was asked for, an HTML page ("Sign in") came')
  await run.logTable([{ a: 1 }], 't.json')
})

/** A server that answers an upload with nothing, as MLflow 3, and keeps the sizes of one folder, `r/d`. */
async function silentServer(refuses: (name: string, method: string, count: number) => boolean = () => false) {
  const stored = new Map<string, number>()
  const count = { PUT: 0, GET: 0 }
  const server = await answering(({ method, url, body }, response) => {
    const name = url.slice(url.lastIndexOf('/') + 1)
    if (refuses(name, method, ++count[method as 'PUT' | 'GET'])) return void response.writeHead(503).end()
    if (method === 'GET')
      return asJson(response, { files: [...stored].map(([path, file_size]) => ({ path, file_size })) })
    stored.set(name, body.length)
    response.writeHead(200, { 'content-length': '0' }).end()
  })
  const store = await proxied(sender({ url: server.url }), { rules: { attempts: 1 } })('mlflow-artifacts:/r')
  const puts = () => server.seen.filter(({ method }) => method === 'PUT').length
  return { stored, store, puts, gets: () => server.seen.length - puts() }
}

function manyFiles(count: number): string {
  const from = tempDir()
  for (let at = 0; at < count; at++) writeFileSync(join(from, `f${at}`), `file ${at}`)
  return from
}

it('what has arrived before one of many small files fails is told, and the next try sends only the rest', async () => {
  const { store, puts } = await silentServer((_, method, count) => method === 'PUT' && count === 15)
  const from = manyFiles(20)
  const arrived: string[] = []
  const onSent = (path: string) => void arrived.push(path)
  await rejection(upload(store, from, 'd', { onSent, concurrency: 1 }))
  expect(arrived).toHaveLength(14)
  const rest = readdirSync(from).filter((name) => !arrived.includes(name))
  await upload(
    store,
    rest.map((path) => ({ path, file: join(from, path) })),
    'd',
    { onSent },
  )
  expect(puts()).toBe(15 + 6)
  expect(new Set(arrived).size).toBe(20)
})

it('many small files are told on their way, for a process that is killed', async () => {
  const { store, gets } = await silentServer()
  const toldAt: number[] = []
  let begun = 0
  const write: typeof store.write = (...of) => {
    begun++
    return store.write(...of)
  }
  await upload({ ...store, write }, manyFiles(150), 'd', { onSent: () => void toldAt.push(begun), concurrency: 1 })
  expect([toldAt[0], toldAt[64], toldAt[149]]).toEqual([64, 128, 150])
  expect(gets()).toBe(3)
})

it.each([1, 9])(
  'where %i lists fail, who tries again by itself hears that, and nothing is sent twice',
  async (fails) => {
    const { store, puts } = await silentServer((_, method, count) => method === 'GET' && count <= fails)
    const arrived: string[] = []
    const sent = upload(store, manyFiles(5), 'd', { onSent: (path) => void arrived.push(path) })
    if (fails === 1) await sent
    else expect(await rejection(sent)).toMatchObject({ status: 503, retryable: true })
    expect(puts()).toBe(5)
    expect(arrived).toHaveLength(fails === 1 ? 5 : 0)
  },
)

it('a newer file that came over one of many is not replaced, which is said', async () => {
  const { store, stored, puts } = await silentServer()
  const list: typeof store.list = (...of) => {
    stored.set('f1', 99)
    return store.list(...of)
  }
  const error = await rejection(upload({ ...store, list }, manyFiles(3), 'd'))
  expect(error).toMatchObject({ name: 'IntegrityError', retryable: true })
  expect(error.message).toMatch(/^"d\/f1" is there with 99 bytes, not the 6 that were sent/)
  expect(stored.get('f1')).toBe(99)
  expect(puts()).toBe(3)
})

it('of many small files each folder is looked through once, and what is not there is sent again', async () => {
  const stored = new Map<string, number>()
  let lost = ['d/f3.txt', 'd/e/g1.txt']
  const server = await answering(({ method, url, body }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://127.0.0.1')
    if (method === 'GET') {
      const within = `${searchParams.get('path')?.replace('1/r/artifacts/', '')}/`
      const names = [...stored.keys()].filter(
        (name) => name.startsWith(within) && !name.slice(within.length).includes('/'),
      )
      return asJson(response, {
        files: names.map((name) => ({ path: name.slice(within.length), file_size: stored.get(name) })),
      })
    }
    const name = pathname.replace(/^.*\/1\/r\/artifacts\//, '')
    // A body that came in chunks is stored as nothing.
    stored.set(name, lost.includes(name) ? 0 : body.length)
    lost = lost.filter((other) => other !== name)
    response.writeHead(200, { 'content-length': '0' }).end()
  })
  const from = tempDir()
  mkdirSync(join(from, 'e'))
  for (let at = 0; at < 20; at++) writeFileSync(join(from, `f${at}.txt`), `file ${at}`)
  for (let at = 0; at < 3; at++) writeFileSync(join(from, 'e', `g${at}.txt`), 'g')
  const store = await proxied(sender({ url: server.url }))('mlflow-artifacts:/1/r/artifacts')
  const arrived: string[] = []
  const told: number[] = []
  const onSent = (path: string) => {
    expect(stored.get(`d/${path}`)).toBeGreaterThan(0)
    arrived.push(path)
  }
  await upload(store, from, 'd', { last: ['f0.txt'], onSent, onProgress: ({ loaded }) => void told.push(loaded) })
  expect(arrived).toHaveLength(23)
  expect(arrived.at(-1)).toBe('f0.txt')
  expect([...stored.values()]).not.toContain(0)
  const gets = server.seen.filter(({ method }) => method === 'GET')
  // One for each folder, one for each file that was sent again, and one for the last.
  expect(gets).toHaveLength(5)
  expect(server.seen).toHaveLength(5 + 23 + 2)
  expect(told.at(-1)).toBe(
    readdirSync(from)
      .filter((name) => name !== 'e')
      .reduce((sum, name) => sum + readFileSync(join(from, name)).length, 3),
  )
})

it('of files that cannot be looked for the reason is told', async () => {
  const server = await answering(({ method }, response) => {
    if (method === 'GET') return asJson(response, { error_code: 'PERMISSION_DENIED', message: 'no list for you' }, 403)
    response.writeHead(200, { 'content-length': '0' }).end()
  })
  const from = tempDir()
  for (const name of ['a', 'b']) writeFileSync(join(from, name), name)
  const store = await proxied(sender({ url: server.url }))('mlflow-artifacts:/1/r/artifacts')
  const error = await rejection(upload(store, from, 'd', { onSent: () => expect.unreachable() }))
  expect(error).toMatchObject({ name: 'PermissionDeniedError', message: expect.stringContaining('no list for you') })
})

it.each([0, 1])(
  'a folder of a run that was answered with nothing arrives, also where %i lists of it fail',
  async (fails) => {
    await using server = await startTestServer()
    await using client = createClient({ trackingUri: server.url, spoolDir: tempDir(), retry: { maxRetries: 0 } })
    const run = await client.startRun()
    const from = tempDir()
    for (const name of ['a', 'b', 'c']) writeFileSync(join(from, name), name)
    server.faults.add({ on: 'artifacts', status: 200, body: '', times: 3 })
    if (fails > 0) server.faults.add({ on: 'artifacts', status: 503, times: fails })
    await run.logArtifacts(from, 'd')
    await run.end()
    expect(server.faults.left).toBe(0)
    expect((await client.listArtifacts(run.runId, 'd')).map(({ fileSize }) => fileSize)).toEqual([1, 1, 1])
  },
)
