import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What the proxy does to a request that its `on` matches, `times` times. */
export interface ProxyFault {
  readonly on: RegExp
  readonly times?: number
  readonly kind:
    | 'refuse'
    | 'reset after headers'
    | 'answer lost'
    | 'delivered twice'
    | 'answer cut'
    | 'slow body'
    | 'html'
    | 'keep-alive closed'
    | { readonly status: number; readonly headers?: Record<string, string> }
}

export interface FaultProxy {
  readonly url: string
  add(fault: ProxyFault): void
  /** Disarms what has not struck. */
  clear(): void
  /** How often faults have struck. */
  readonly struck: number
  /** Method and path of each request that came. */
  readonly asked: readonly string[]
  close(): Promise<void>
}

interface Got {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** A server in front of another one, which passes requests on and spoils those it was told to. */
export async function faultProxy(target: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(target)
  let armed: { fault: ProxyFault; left: number }[] = []
  let struck = 0
  const asked: string[] = []

  const forward = (incoming: IncomingMessage, body: Buffer) =>
    new Promise<Got>((resolve, reject) => {
      const headers = { ...incoming.headers, host: `${hostname}:${port}` }
      const outgoing = ask(
        { hostname, port, path: incoming.url, method: incoming.method, headers, agent: false },
        (answer) => {
          const chunks: Buffer[] = []
          answer.on('data', (chunk: Buffer) => chunks.push(chunk))
          answer.on('error', reject)
          answer.on('end', () => {
            const { connection: _, 'transfer-encoding': __, ...kept } = answer.headers
            resolve({ status: answer.statusCode as number, headers: kept, body: Buffer.concat(chunks) })
          })
        },
      )
      outgoing.on('error', reject)
      outgoing.end(body)
    })

  async function spoil({ kind }: ProxyFault, incoming: IncomingMessage, response: ServerResponse, body: Buffer) {
    const { socket } = incoming
    if (kind === 'refuse') return void socket.destroy()
    if (kind === 'reset after headers') {
      socket.resetAndDestroy()
      return
    }
    if (typeof kind === 'object') {
      response.writeHead(kind.status, { 'content-type': 'text/plain', ...kind.headers }).end('spoiled')
      return
    }
    if (kind === 'html') {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html><title>Sign in</title></html>')
      return
    }
    const got = await forward(incoming, body)
    if (kind === 'answer lost') return void socket.destroy()
    if (kind === 'delivered twice') return pass(await forward(incoming, body), response)
    if (kind === 'keep-alive closed') {
      pass(got, response)
      response.once('finish', () => socket.end())
      return
    }
    response.writeHead(got.status, { ...got.headers, 'content-length': got.body.length + 1 })
    if (kind === 'answer cut') {
      response.write(got.body.subarray(0, Math.ceil(got.body.length / 2)))
      setTimeout(() => socket.destroy(), 20)
      return
    }
    let sent = 0
    const timer = setInterval(() => {
      if (sent < got.body.length) response.write(got.body.subarray(sent, ++sent))
    }, 100)
    response.on('close', () => clearInterval(timer))
  }

  function pass(got: Got, response: ServerResponse) {
    response.writeHead(got.status, { ...got.headers, 'content-length': got.body.length }).end(got.body)
  }

  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('error', () => undefined)
    incoming.on('end', () => {
      const body = Buffer.concat(chunks)
      const subject = `${incoming.method} ${incoming.url}`
      asked.push(subject)
      const met = armed.find(({ fault }) => fault.on.test(subject))
      if (met && --met.left <= 0) armed = armed.filter((other) => other !== met)
      if (met) struck++
      const work = met
        ? spoil(met.fault, incoming, response, body)
        : forward(incoming, body).then((got) => pass(got, response))
      work.catch(() => incoming.socket.destroy())
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    add(fault) {
      armed.push({ fault, left: fault.times ?? 1 })
    },
    clear() {
      armed = []
    },
    get struck() {
      return struck
    },
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
