/** What stands at the other end: a wire of some length, a server that only answers, and what a server's work costs. */
import { readdirSync, readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export interface Place {
  readonly url: string
  close(): void
}

async function listening(server: Server, sockets: ReadonlySet<Socket>): Promise<Place> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

export interface Wire extends Place {
  /** Leads to another server from now on; what was connected is cut. */
  turnTo(url: string, roundTripMs: number): void
}

/** A server further away: each byte takes half of the round trip in either direction. */
export async function wireTo(url: string, roundTripMs: number): Promise<Wire> {
  const sockets = new Set<Socket>()
  let port = Number(new URL(url).port)
  let delayMs = roundTripMs / 2
  const carry = (from: Socket, to: Socket) => {
    const later = (act: () => void) => (delayMs === 0 ? act() : void setTimeout(act, delayMs))
    from.on('data', (chunk) => later(() => void (to.destroyed || to.write(chunk))))
    from.on('end', () => later(() => to.end()))
    from.on('error', () => to.destroy())
    from.setNoDelay(true)
  }
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    }
    carry(near, far)
    carry(far, near)
  })
  const place = await listening(server, sockets)
  return {
    ...place,
    turnTo(other, ms) {
      port = Number(new URL(other).port)
      delayMs = ms / 2
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** A server that reads what it is sent, forgets it, and answers after a while. */
export async function answering(delayMs: number): Promise<Place> {
  const sockets = new Set<Socket>()
  const info = { run_id: 'a'.repeat(32), experiment_id: '0', status: 'RUNNING', artifact_uri: 'mlflow-artifacts:/0/a' }
  const run = JSON.stringify({ run: { info, data: {} }, experiment: { experiment_id: '0', name: 'Default' } })
  const server = createHttpServer((request, response) => {
    request.resume().on('end', () => {
      const text = request.url?.endsWith('/log-batch') ? '{}' : run
      setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end(text), delayMs)
    })
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  return listening(server, sockets)
}

/** Milliseconds of CPU that a process and all of its group have used; `NaN` where the system does not tell. */
export function groupCpuMs(group: number): number {
  let ticks = 0
  try {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const text = statOf(pid)
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
      if (Number(fields[2]) === group) ticks += Number(fields[11]) + Number(fields[12])
    }
  } catch {
    return Number.NaN
  }
  return ticks * 10
}

function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    // It has ended since it was listed.
    return ''
  }
}
