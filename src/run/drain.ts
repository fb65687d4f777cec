import { absent } from '../errors.js'
import type { Drain } from '../tracking/metric-buffer.js'
import type { FileTransport } from '../transport/file/file.js'
import type { Input, Transport } from '../transport/transport.js'

type Batch = Input<'logBatch'>

/** The drain of a run into the local store: what it takes has arrived when it returns, also where nothing else ever runs. */
export const localDrain =
  (store: FileTransport, runId: string): Drain =>
  (delivery) => {
    if ('batch' in delivery) return store.logBatchNow({ run_id: runId, ...delivery.batch } as Batch)
    try {
      store.deleteTagNow({ run_id: runId, key: delivery.deleteTag })
    } catch (error) {
      absent(error)
    }
  }

/** The drain of a run over any transport: on its way until the backend has answered. */
export const transportDrain =
  (transport: Transport, runId: string): Drain =>
  async (delivery) => {
    if ('batch' in delivery) await transport.call('logBatch', { run_id: runId, ...delivery.batch } as Batch)
    else await transport.call('deleteTag', { run_id: runId, key: delivery.deleteTag }).catch(absent)
  }
