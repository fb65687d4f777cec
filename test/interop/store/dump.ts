import type { FileTransport } from '../../../src/transport/file/file.js'
import type { Output } from '../../../src/transport/protocol.js'

/** A double's bits: no text form may hide a difference. */
function bits(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return bytes.toString('hex')
}

interface Pair {
  readonly key: string
  readonly value?: string | undefined
}
const record = (pairs: readonly Pair[] = []) => Object.fromEntries(pairs.map(({ key, value }) => [key, value ?? '']))
const orNull = <T>(value: T | undefined): T | null => value ?? null

type Call = FileTransport['call']

async function files(call: Call, run_id: string, path?: string): Promise<[string, number][]> {
  const found: [string, number][] = []
  const { files: entries } = await call('listArtifacts', path === undefined ? { run_id } : { run_id, path })
  for (const entry of entries)
    if (entry.is_dir) found.push(...(await files(call, run_id, entry.path)))
    else found.push([entry.path, entry.file_size ?? -1])
  return found
}

async function history(call: Call, run_id: string, metric_key: string): Promise<[string, number | bigint, string][]> {
  const found: [string, number | bigint, string][] = []
  let page_token: string | undefined
  do {
    const page = await call('getMetricHistory', { run_id, metric_key, ...(page_token ? { page_token } : {}) })
    found.push(
      ...page.metrics.map(({ value, timestamp, step }): [string, number | bigint, string] => [
        bits(value),
        timestamp,
        `${step}`,
      ]),
    )
    page_token = page.next_page_token
  } while (page_token)
  return found
}

async function runOf(call: Call, { info, data, inputs, outputs }: Output<'getRun'>['run']) {
  const histories: Record<string, unknown> = {}
  for (const { key } of data.metrics) histories[key] = await history(call, info.run_id, key)
  return {
    run_name: orNull(info.run_name),
    experiment_id: info.experiment_id,
    user_id: orNull(info.user_id),
    status: info.status,
    start_time: orNull(info.start_time),
    end_time: orNull(info.end_time),
    artifact_uri: info.artifact_uri,
    lifecycle_stage: info.lifecycle_stage,
    params: record(data.params),
    tags: record(data.tags),
    metrics: Object.fromEntries(data.metrics.map(({ key, value }) => [key, bits(value)])),
    histories,
    datasets: (inputs?.dataset_inputs ?? []).map(({ dataset: one, tags }) => [
      one.name,
      one.digest,
      orNull(one.source_type),
      orNull(one.source),
      orNull(one.schema),
      orNull(one.profile),
      record(tags),
    ]),
    outputs: (outputs?.model_outputs ?? []).map(({ model_id, step }) => [model_id, `${step ?? 0}`]),
    artifacts: info.lifecycle_stage === 'active' ? await files(call, info.run_id) : [],
  }
}

const WORDS: Record<string, string> = {
  LOGGED_MODEL_PENDING: 'PENDING',
  LOGGED_MODEL_READY: 'READY',
  LOGGED_MODEL_UPLOAD_FAILED: 'FAILED',
}

async function modelsOf(call: Call, experiment_ids: string[]): Promise<[string, Record<string, unknown>][]> {
  const { models } = await call('searchLoggedModels', { experiment_ids, max_results: 100_000 })
  return models.map(({ info, data }) => [
    info.model_id,
    {
      name: info.name,
      experiment_id: info.experiment_id,
      artifact_location: info.artifact_uri,
      creation_timestamp: info.creation_timestamp_ms,
      last_updated_timestamp: info.last_updated_timestamp_ms,
      model_type: orNull(info.model_type),
      source_run_id: orNull(info.source_run_id),
      status: WORDS[info.status ?? ''],
      tags: record(info.tags),
      params: record(data?.params),
      metrics: (data?.metrics ?? []).map((one) => [
        one.key,
        bits(one.value),
        one.timestamp,
        `${one.step}`,
        orNull(one.run_id),
        orNull(one.dataset_name),
        orNull(one.dataset_digest),
      ]),
    },
  ])
}

async function registryOf(call: Call) {
  const { registered_models } = await call('searchRegisteredModels', { max_results: 1000 })
  const { model_versions } = await call('searchModelVersions', { max_results: 10_000 })
  const versions: [string, Record<string, unknown>][] = []
  for (const one of model_versions) {
    const { name, version } = one
    versions.push([
      `${name} ${version}`,
      {
        stage: one.current_stage,
        description: one.description ?? '',
        creation_timestamp: one.creation_timestamp,
        last_updated_timestamp: one.last_updated_timestamp,
        source: one.source,
        run_id: one.run_id ?? '',
        status: one.status,
        tags: record(one.tags),
        aliases: [...(one.aliases ?? [])].sort(),
        uri: (await call('getModelVersionDownloadUri', { name, version })).artifact_uri,
      },
    ])
  }
  const registered = registered_models.map((one) => [
    one.name,
    {
      description: one.description ?? '',
      creation_timestamp: one.creation_timestamp,
      last_updated_timestamp: one.last_updated_timestamp,
      tags: record(one.tags),
      aliases: Object.fromEntries((one.aliases ?? []).map(({ alias, version }) => [alias, version])),
      latest: (one.latest_versions ?? []).map(({ current_stage, version }) => [current_stage, version]),
    },
  ])
  return { registered: Object.fromEntries(registered), versions: Object.fromEntries(versions) }
}

type Things = Record<string, Record<string, unknown>>
/** All that a store holds: by kind, by id. */
export interface Dump {
  readonly experiments: Things
  readonly runs: Things
  readonly models: Things
  readonly registered: Things
  readonly versions: Things
}

const inOrder = (items: readonly unknown[]): unknown[] =>
  [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))

/** A dump whose lists without an order of their own have one. */
export function settled(dump: Dump): Dump {
  for (const thing of [...Object.values(dump.runs), ...Object.values(dump.models), ...Object.values(dump.registered)])
    for (const field of ['datasets', 'outputs', 'artifacts', 'metrics', 'latest'])
      if (Array.isArray(thing[field])) thing[field] = inOrder(thing[field])
  return dump
}

/** All that Cairn reads of a store, in the form that dump.py gives to what Python reads. */
export async function dump({ call }: FileTransport): Promise<Dump> {
  const { experiments } = await call('searchExperiments', { view_type: 'ALL', max_results: 10_000 })
  const ids = experiments.map(({ experiment_id }) => experiment_id)
  const { runs } = await call('searchRuns', { experiment_ids: ids, run_view_type: 'ALL', max_results: 10_000 })
  const active = experiments.filter(({ lifecycle_stage }) => lifecycle_stage === 'active')
  const all: [string, Record<string, unknown>][] = []
  for (const run of runs) all.push([run.info.run_id, await runOf(call, run)])
  const models =
    active.length === 0
      ? []
      : await modelsOf(
          call,
          active.map(({ experiment_id }) => experiment_id),
        )
  return settled({
    experiments: Object.fromEntries(
      experiments.map((one) => [
        one.experiment_id,
        {
          name: one.name,
          artifact_location: one.artifact_location,
          lifecycle_stage: one.lifecycle_stage,
          creation_time: orNull(one.creation_time),
          last_update_time: orNull(one.last_update_time),
          tags: record(one.tags),
        },
      ]),
    ),
    runs: Object.fromEntries(all),
    models: Object.fromEntries(models),
    ...(await registryOf(call)),
  })
}
