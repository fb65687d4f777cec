import { checkArtifactPath, joinPath } from '../artifacts/paths.js'
import type { ArtifactStore } from '../artifacts/store.js'
import { NotFoundError, UnsafePathError } from '../errors.js'
import { attachment, json, plain, type Reply } from './reply.js'

const BASE = /^\/(?:ajax-)?api\/2\.0\/mlflow-artifacts\/artifacts(?:\/(.*))?$/s

export interface ArtifactRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly bytes: () => Promise<Blob>
}

/** Whether a path is one of the artifact proxy's. */
export const isArtifactPath = (path: string): boolean => BASE.test(path)

/** The artifact proxy: list, read, write and remove below the root of one store. */
export async function answerArtifacts(store: ArtifactStore, request: ArtifactRequest): Promise<Reply> {
  const below = BASE.exec(request.path)?.[1] ?? ''
  if (below === '' && request.method === 'GET') return list(store, checkArtifactPath(request.query.get('path') ?? ''))
  // Checked as it came and as it reads: no number of encodings may hide a way out.
  const path = checkArtifactPath(decoded(below))
  if (path === '') return plain('Method Not Allowed', 405)
  const name = path.slice(path.lastIndexOf('/') + 1)
  switch (request.method) {
    case 'GET':
      return attachment(name, await store.read(path))
    case 'PUT':
      await store.write(path, await request.bytes())
      return json({})
    case 'DELETE':
      await store.remove(path)
      return json({})
    default:
      return plain('Method Not Allowed', 405)
  }
}

function decoded(path: string): string {
  try {
    return path.split('/').map(decodeURIComponent).join('/')
  } catch {
    throw new UnsafePathError('The artifact path is not percent-encoded UTF-8')
  }
}

async function list(store: ArtifactStore, dir: string): Promise<Reply> {
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
