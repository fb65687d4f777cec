import type { ModelVersion, RegisteredModel } from '../core/entities.js'
import { modelIdOf } from '../core/model-uri.js'
import { toRecord } from '../core/pairs.js'
import type { WireModelVersion, WireRegisteredModel } from '../transport/protocol.js'

/** A version as MLflow's JSON has it, in our names; what a server says as empty text is absent. */
export const toModelVersion = (wire: WireModelVersion): ModelVersion => ({
  name: wire.name,
  version: wire.version,
  currentStage: wire.current_stage,
  description: wire.description || undefined,
  source: wire.source || undefined,
  runId: wire.run_id || undefined,
  runLink: wire.run_link || undefined,
  modelId: modelIdOf(wire),
  status: wire.status,
  statusMessage: wire.status_message || undefined,
  userId: wire.user_id || undefined,
  creationTimestamp: wire.creation_timestamp,
  lastUpdatedTimestamp: wire.last_updated_timestamp,
  tags: toRecord(wire.tags),
  aliases: wire.aliases,
})

/** A registered model as MLflow's JSON has it, in our names. */
export const toRegisteredModel = (wire: WireRegisteredModel): RegisteredModel => ({
  name: wire.name,
  description: wire.description || undefined,
  creationTimestamp: wire.creation_timestamp,
  lastUpdatedTimestamp: wire.last_updated_timestamp,
  latestVersions: wire.latest_versions.map(toModelVersion),
  tags: toRecord(wire.tags),
  aliases: Object.fromEntries(wire.aliases.map(({ alias, version }) => [alias, version])),
})
