import { parentPort, workerData } from 'node:worker_threads'
import { fileTransport } from '../transport/file/file.js'
import { lookAhead } from './look-ahead.js'
import type { Asked, SearchStart, Told } from './search-thread.js'

const { root } = workerData as SearchStart
const tell = (told: Told): void => parentPort?.postMessage(told)
const store = fileTransport({ root, warn: (warning) => tell({ warning }) })

parentPort?.on('message', ({ id, input }: Asked) => {
  store.call('searchRuns', input).then(
    (answer) => tell({ id, answer }),
    // It fails where it is asked again, with an error that need not travel.
    () => tell({ id, answer: undefined }),
  )
})
void lookAhead(store)
