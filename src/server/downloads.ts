import { Hono } from 'hono'
import { checkArtifactPath } from '../artifacts/paths.js'
import type { OpenArtifacts } from '../artifacts/store.js'
import { parseModelUri } from '../core/model-uri.js'
import { InvalidParameterError, NotFoundError } from '../errors.js'
import type { Transport } from '../transport/transport.js'
import { type Asked, type Env, queryOf } from './asked.js'
import { sendFile } from './file.js'

export interface DownloadOptions {
  readonly transport: Transport
  readonly openArtifacts: OpenArtifacts
}

/** The files of runs, versions and logged models by what they belong to, as MLflow's own page asks for them. */
export function downloadRoutes({ transport, openArtifacts }: DownloadOptions): Hono<Env> {
  const send = async (asked: Asked, uri: string | undefined, path: string): Promise<Response> => {
    const clean = checkArtifactPath(path)
    if (clean === '') throw new InvalidParameterError("Missing value for required parameter 'path'.")
    if (!uri) throw new NotFoundError('What is asked for has no place where files lie')
    return sendFile(asked, await openArtifacts(uri), clean)
  }
  const modelHome = async (model_id: string): Promise<string | undefined> =>
    (await transport.call('getLoggedModel', { model_id })).model.info.artifact_uri

  const app = new Hono<Env>()
  app.get('/get-artifact', async (asked) => {
    const query = queryOf(asked)
    const run_id = required(query, 'run_id', 'run_uuid')
    const { run } = await transport.call('getRun', { run_id })
    return send(asked, run.info.artifact_uri, query.get('path') ?? '')
  })
  app.get('/model-versions/get-artifact', async (asked) => {
    const query = queryOf(asked)
    const input = { name: required(query, 'name'), version: required(query, 'version') }
    const { artifact_uri: uri } = await transport.call('getModelVersionDownloadUri', input)
    const model = /^models:/i.test(uri) ? parseModelUri(uri) : undefined
    return send(asked, model?.by === 'id' ? await modelHome(model.modelId) : uri, query.get('path') ?? '')
  })
  app.get('/ajax-api/2.0/mlflow/logged-models/:model_id/artifacts/files', async (asked) =>
    send(asked, await modelHome(asked.req.param('model_id')), queryOf(asked).get('artifact_file_path') ?? ''),
  )
  return app
}

function required(query: URLSearchParams, ...names: readonly string[]): string {
  for (const name of names) if (query.get(name)) return query.get(name) ?? ''
  throw new InvalidParameterError(`Missing value for required parameter '${names[0]}'.`)
}
