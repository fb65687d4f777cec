import { describe } from 'vitest'
import { proxied } from '../../src/artifacts/proxied.js'
import { sender } from '../../src/http/send.js'
import { startServer } from '../../src/server/index.js'
import { httpTransport } from '../../src/transport/http.js'
import { artifactStoreContract } from '../contract/artifact-store.js'
import { OVER_HTTP, transportContract } from '../contract/transport.js'
import { tempDir } from '../support/temp-dir.js'

describe('cairn-ml server over a local store', () => {
  const make = async () => {
    const server = await startServer({ trackingUri: `${tempDir()}/mlruns` })
    const transport = httpTransport({ send: sender({ url: server.trackingUri }) })
    return { transport, close: () => server.close() }
  }
  transportContract(make, { differs: OVER_HTTP })

  artifactStoreContract(async () => {
    const server = await startServer({ trackingUri: `${tempDir()}/mlruns` })
    const send = sender({ url: server.trackingUri })
    const { run } = await httpTransport({ send }).call('createRun', { experiment_id: '0' })
    return proxied(send)(run.info.artifact_uri as string)
  })
})
