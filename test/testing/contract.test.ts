import { describe } from 'vitest'
import { proxied } from '../../src/artifacts/proxied.js'
import { sender } from '../../src/http/send.js'
import { startTestServer } from '../../src/testing/index.js'
import { httpTransport } from '../../src/transport/http.js'
import { artifactStoreContract } from '../contract/artifact-store.js'
import { OVER_HTTP, transportContract } from '../contract/transport.js'

const made = async () => {
  const server = await startTestServer()
  const transport = httpTransport({ send: sender({ url: server.url }) })
  return { transport, close: () => server.close() }
}

describe('over HTTP, answered by the local store', () => {
  transportContract(made, { differs: OVER_HTTP })

  artifactStoreContract(async () => {
    const server = await startTestServer()
    return proxied(sender({ url: server.url }))('mlflow-artifacts:/1/run/artifacts')
  })
})
