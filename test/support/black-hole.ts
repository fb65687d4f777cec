import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'

/** Linux drops what comes to a full accept queue without a word, as a firewall does. */
export const hasBlackHoles = process.platform === 'linux'

/** More than the queue takes. */
const FILLERS = 8

const DEAF = `
  const { parentPort, workerData } = require('node:worker_threads')
  const server = require('node:net').createServer()
  const cell = new Int32Array(new SharedArrayBuffer(4))
  server.listen({ port: workerData, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    setImmediate(() => Atomics.wait(cell, 0, 0))
  })`

/** An address on loopback where connecting takes for ever: a listener that accepts nothing, with its queue full. */
export async function blackHole(at = 0): Promise<{ url: string; connecting(): number; close(): Promise<void> }> {
  const worker = new Worker(DEAF, { eval: true, workerData: at })
  const port = await new Promise<number>((resolve, reject) => {
    worker.once('error', reject)
    worker.once('message', resolve)
  })
  const fillers: Socket[] = []
  for (let n = 0; n < FILLERS; n++) fillers.push(connect(port, '127.0.0.1').on('error', () => undefined))
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  /** Sockets of this machine that are on their way to it and have no answer. */
  const syns = () =>
    readFileSync('/proc/net/tcp', 'utf8')
      .split('\n')
      .filter((line) => line.includes(` 0100007F:${hex} 02 `)).length
  // The first of them are in the queue by now; what is left knocks in vain, as all that come later.
  while (fillers.filter(({ connecting }) => !connecting).length < 2) await new Promise((later) => setTimeout(later, 10))
  const own = fillers.filter(({ connecting }) => connecting).length
  return {
    url: `http://127.0.0.1:${port}`,
    connecting: () => syns() - own,
    async close() {
      for (const filler of fillers) filler.destroy()
      await worker.terminate()
    },
  }
}
