import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { expect, it } from 'vitest'
import { startTestServer } from '../../src/testing/index.js'

/** What a server answers to a request with these lines, as it comes over the wire. */
const raw = (port: number, ...lines: string[]) =>
  new Promise<string>((resolve, reject) => {
    const body = '{"name":"made by a stranger"}'
    const socket = connect(port, '127.0.0.1')
    let said = ''
    socket.on('error', reject)
    socket.on('data', (text: Buffer) => {
      said += text
    })
    socket.on('close', () => resolve(said))
    const head = ['POST /api/2.0/mlflow/experiments/create HTTP/1.1', ...lines, 'content-type: application/json']
    socket.write([...head, `content-length: ${body.length}`, 'connection: close', '', body].join('\r\n'))
  })

const strangers = (port: number) => [
  'evil.com',
  `10.evil.com:${port}`,
  '192.168.evil.com',
  `localhost:${port}.evil.com`,
  `127.0.0.1:${port}.evil.com`,
  'localhost.evil.com',
  '[::ffff:7f00:1]',
  `[::1]:${port}`,
  `0.0.0.0:${port}`,
  '0.0.0.0',
  'localhost',
  '127.0.0.1',
  `127.0.0.1:${port + 1}`,
  `127.1:${port}`,
  `ml.internal`,
  `sub.ml.internal:80`,
  '',
]

it('answers an exact list of hosts and turns all others away, without doing what they ask for', async () => {
  await using server = await startTestServer({ hosts: ['ML.internal:80'] })
  const port = Number(new URL(server.url).port)
  for (const host of strangers(port)) {
    const said = await raw(port, `Host: ${host}`)
    expect(said, host).toMatch(/^HTTP\/1\.1 (403|400) /)
    expect(said, host).not.toContain('experiment_id')
  }
  for (const lines of [
    [],
    [`Host: localhost:${port}`, 'Host: evil.com'],
    ['Host: evil.com', `Host: localhost:${port}`],
  ])
    expect(await raw(port, ...lines), lines.join()).toMatch(/^HTTP\/1\.1 (403|400) /)
  const search = await fetch(`${server.url}/api/2.0/mlflow/experiments/search`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"max_results":10}',
  })
  expect(JSON.stringify(await search.json())).not.toContain('stranger')

  expect(await raw(port, 'Host: ml.INTERNAL:80')).toMatch(/^HTTP\/1\.1 200 /)
  for (const host of [`localhost:${port}`, `LOCALHOST:${port}`, `127.0.0.1:${port}`])
    expect(await raw(port, `Host: ${host}`), host).toMatch(/^HTTP\/1\.1 400 .*RESOURCE_ALREADY_EXISTS/s)
})

it('listens on loopback alone', async () => {
  await using server = await startTestServer()
  const port = Number(new URL(server.url).port)
  const others = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, family }) => !internal && family === 'IPv4')
  for (const { address } of others) {
    const reached = await new Promise<boolean>((resolve) => {
      const socket = connect(port, address, () => resolve(true))
      socket.on('error', () => resolve(false))
    })
    expect(reached, address).toBe(false)
  }
})
