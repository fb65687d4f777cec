import { request as ask, createServer, type RequestListener } from 'node:http'
import { createServer as createSecure } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { afterAll } from 'vitest'

const closers: (() => void)[] = []
afterAll(() => {
  for (const close of closers.splice(0)) close()
})

/** A forward proxy that wants `user:pass` when told to, speaks TLS when it has a certificate, and remembers what it was asked for. */
export async function forwardProxy(credentials?: string, tls?: { readonly cert: string; readonly key: string }) {
  const asked: string[] = []
  const wanted = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`
  const react: RequestListener = (incoming, response) => {
    asked.push(`${incoming.method} ${incoming.url}`)
    if (wanted && incoming.headers['proxy-authorization'] !== wanted) return void response.writeHead(407).end()
    const { 'proxy-authorization': _, ...headers } = incoming.headers
    incoming.pipe(
      ask(incoming.url as string, { method: incoming.method, headers }, (answer) => {
        response.writeHead(answer.statusCode as number, answer.headers)
        answer.on('error', () => response.destroy())
        answer.pipe(response)
      }).on('error', () => response.destroy()),
    )
  }
  const server = tls ? createSecure(tls, react) : createServer(react)
  server.on('connect', (incoming, socket) => {
    asked.push(`CONNECT ${incoming.url}`)
    if (wanted && incoming.headers['proxy-authorization'] !== wanted)
      return void socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
    const [host, port] = (incoming.url as string).split(':')
    const target = connect(Number(port), host, () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
    target.pipe(socket).pipe(target)
    target.on('error', () => socket.destroy())
    socket.on('error', () => target.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    server.close()
    server.closeAllConnections()
  })
  return { at: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}
