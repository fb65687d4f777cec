import { absent } from '../errors.js'
import { linkModel } from '../tracking/link-model.js'
import type { Drain } from '../tracking/metric-buffer.js'
import type { FileTransport } from '../transport/file/file.js'
import type { Input, Transport } from '../transport/transport.js'

type Batch = Input<'logBatch'>

/** The drain of a run into the local store: what it takes has arrived when it returns, also where nothing else ever runs. */
export const localDrain =
  (store: FileTransport, runId: string): Drain =>
  (delivery) => {
    if ('batch' in delivery) return store.logBatchNow({ run_id: runId, ...delivery.batch } as Batch)
    if ('linkModel' in delivery) return store.linkModelNow({ run_id: runId, model_id: delivery.linkModel })
    try {
      store.deleteTagNow({ run_id: runId, key: delivery.deleteTag })
    } catch (error) {
      absent(error)
    }
  }

/** The drain of a run over any transport: on its way until the backend has answered. */
export const transportDrain =
  (transport: Transport, runId: string): Drain =>
  async (delivery, signal) => {
    const options = { again: delivery.again, signal }
    if ('batch' in delivery) await transport.call('logBatch', { run_id: runId, ...delivery.batch } as Batch, options)
    else if ('linkModel' in delivery) await linkModel(transport, { runId, modelId: delivery.linkModel }, options)
    else await transport.call('deleteTag', { run_id: runId, key: delivery.deleteTag }, options).catch(absent)
  }
