import { Hono } from 'hono'
import { checkArtifactPath, joinPath } from '../artifacts/paths.js'
import type { ArtifactStore } from '../artifacts/store.js'
import { percentDecoded } from '../core/percent.js'
import { NotFoundError, UnsafePathError } from '../errors.js'
import { type Asked, type Env, pathOf, queryOf, rawUrl } from './asked.js'
import { type BodyLimits, withUpload } from './body.js'
import { sendFile } from './file.js'
import { json, methodNotAllowed, plain } from './reply.js'
import { about, bothApis } from './table.js'

const BASE = /^\/(?:ajax-)?api\/2\.0\/mlflow-artifacts\/artifacts(?:\/(.*))?$/s

/** The artifact proxy: list, read, write and remove below the root of one store; without a store it answers 503. */
export function artifactRoutes(store: ArtifactStore | undefined, limits: BodyLimits): Hono<Env> {
  const app = new Hono<Env>()
  const handler = about('artifacts', (asked) =>
    store
      ? answer(store, asked, limits)
      : plain('Endpoint disabled due to the mlflow server running in `--no-serve-artifacts` mode.', 503),
  )
  for (const route of bothApis('/api/2.0/mlflow-artifacts/artifacts'))
    app.all(route, handler).all(`${route}/*`, handler)
  return app
}

async function answer(store: ArtifactStore, asked: Asked, limits: BodyLimits): Promise<Response> {
  const below = BASE.exec(pathOf(rawUrl(asked.req.raw, asked.env)))?.[1] ?? ''
  const { method } = asked.req
  if (below === '' && method === 'GET') return list(store, checkArtifactPath(queryOf(asked).get('path') ?? ''))
  // Checked as it came and as it reads: no number of encodings may hide a way out.
  const decoded = percentDecoded(below)
  if (decoded === undefined) throw new UnsafePathError('The artifact path is not percent-encoded UTF-8')
  const path = checkArtifactPath(decoded)
  if (path === '') return methodNotAllowed()
  switch (method) {
    case 'GET':
    case 'HEAD':
      return sendFile(asked, store, path)
    case 'PUT':
      await withUpload(asked, limits, (data) => store.write(path, data))
      return json({})
    case 'DELETE':
      await store.remove(path)
      return json({})
    default:
      return methodNotAllowed()
  }
}

async function list(store: ArtifactStore, dir: string): Promise<Response> {
  const entries = await store.list(dir).catch((error: unknown) => {
    if (error instanceof NotFoundError) return []
    throw error
  })
  const files = entries.map(({ path, isDir, size }) => ({
    path: dir === '' ? path : path.slice(joinPath(dir).length + 1),
    is_dir: isDir,
    ...(isDir || !size ? {} : { file_size: size }),
  }))
  return json(files.length === 0 ? {} : { files })
}
