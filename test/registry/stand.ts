import { type Registry, registry } from '../../src/registry/registry.js'
import { fileTransport } from '../../src/transport/file/file.js'
import type { Transport } from '../../src/transport/transport.js'
import { tempDir } from '../support/temp-dir.js'

export const LAKE = 's3://lake/models/churn'

/** A registry over a local store of its own. */
export function stand(): Registry & { readonly transport: Transport } {
  const transport = fileTransport({ root: `${tempDir()}/mlruns` })
  return { ...registry({ transport: async () => transport, user: () => 'ada' }), transport }
}

/** A model with some versions, none of them in a stage. */
export async function churn(verbs: Registry, versions: number, name = 'churn'): Promise<string> {
  await verbs.createRegisteredModel(name)
  for (let i = 0; i < versions; i++) await verbs.createModelVersion(name, `${LAKE}/${i}`)
  return name
}
