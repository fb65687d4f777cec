import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { fileArtifacts } from '../artifacts/file.js'
import { isLocal } from '../artifacts/location.js'
import type { ArtifactStore } from '../artifacts/store.js'
import { isPromptSource } from '../core/prompt.js'
import { isRealDir } from '../disk/walk.js'
import { InvalidParameterError, NotFoundError, UnsafePathError } from '../errors.js'
import type { Input, Operation, Output } from '../transport/protocol.js'
import type { Transport } from '../transport/transport.js'

const SCHEME = 'mlflow-artifacts:/'

/** The fields in which MLflow's answers name places, and the ones that hold what has such fields. */
const PLACES = ['artifact_uri', 'artifact_location', 'source', 'root_uri'] as const
const HOLDERS = [
  'experiment',
  'experiments',
  'run',
  'runs',
  'run_info',
  'info',
  'model',
  'models',
  'registered_model',
  'registered_models',
  'latest_versions',
  'model_version',
  'model_versions',
] as const

type Fields = Record<string, unknown>

/**
 * A local store as clients elsewhere see it: places below its root are `mlflow-artifacts:/…`, read and written through this
 * server, and stay `file:` URIs on the disk, where programs of this machine find them. What a client names is turned back;
 * a place on this machine that it names itself is refused, for it could be any file of the server's user.
 */
export function servedPlaces(inner: Transport, root: string): Transport {
  const bases = [pathToFileURL(root).href.replace(/\/$/, ''), `file://${root}`, `file:${root}`, root]
  const outwards = (uri: string): string => {
    for (const base of bases) if (uri.startsWith(`${base}/`)) return SCHEME + uri.slice(base.length + 1)
    return uri
  }
  const inwards = (uri: string, what: string): string => {
    if (/^mlflow-artifacts:/i.test(uri)) {
      const path = uri.replace(/^mlflow-artifacts:(?:\/\/[^/]*)?\/*/i, '')
      placeOf(path)
      return `${bases[0]}/${path}`
    }
    if (isLocal(uri) && !isPromptSource(uri))
      throw new InvalidParameterError(
        `${what} ${JSON.stringify(uri.slice(0, 200))} is a place on the server's machine; leave it out, or name a store that everyone reaches`,
      )
    return uri
  }

  function shown<T>(answer: T): T {
    if (Array.isArray(answer)) return answer.map(shown) as T
    if (answer === null || typeof answer !== 'object') return answer
    let copy: Fields | undefined
    const given = answer as Fields
    for (const field of PLACES) {
      const uri = given[field]
      const out = typeof uri === 'string' ? outwards(uri) : uri
      if (out !== uri) copy = { ...(copy ?? given), [field]: out }
    }
    for (const field of HOLDERS) {
      const held = given[field]
      if (held === undefined || typeof held !== 'object') continue
      copy = { ...(copy ?? given), [field]: shown(held) }
    }
    return (copy ?? given) as T
  }

  function meant<O extends Operation>(operation: O, input: Input<O>): Input<O> {
    const { artifact_location: location, source } = input as Fields
    if (operation === 'createExperiment' && typeof location === 'string' && location !== '')
      return { ...input, artifact_location: inwards(location, 'The artifact_location') }
    if (operation === 'createModelVersion' && typeof source === 'string' && !/^(?:runs|models):/i.test(source))
      return { ...input, source: inwards(source, 'The source') }
    return input
  }

  return {
    async call<O extends Operation>(operation: O, input: Input<O>, options?: Parameters<Transport['call']>[2]) {
      return shown(await inner.call(operation, meant(operation, input), options)) as Output<O>
    },
    close: () => inner.close(),
  }
}

interface Place {
  /** The artifact folder of a run or a logged model, below the root. */
  readonly home: string
  readonly rest: string
}

// Whatever else lies in a store (its records, the registry, what is deleted) is not reached by the artifact routes.
const HOME =
  /^((?!\.|models\/)[^/]+\/(?!tags\/|datasets\/|traces\/)(?:models\/)?[A-Za-z0-9][\w-]{0,255}\/artifacts)(?:\/(.*))?$/s

function placeOf(path: string): Place {
  const [, home, rest = ''] = HOME.exec(path) ?? []
  if (home !== undefined) return { home, rest }
  throw new UnsafePathError(
    `${JSON.stringify(path.slice(0, 200))} is not in the artifact folder of a run or a logged model`,
  )
}

/** The artifact folders of a local store's runs and logged models as one store, by path below the root. */
export function homesOf(root: string): ArtifactStore {
  const open = (path: string) => {
    const { home, rest } = placeOf(path)
    const dir = join(root, ...home.split('/'))
    return { home, rest, dir, store: fileArtifacts(dir) }
  }
  return {
    async list(path) {
      if (path === '') return []
      const { home, rest, store } = open(path)
      return (await store.list(rest)).map((entry) => ({ ...entry, path: `${home}/${entry.path}` }))
    },
    async read(path, options) {
      const { rest, store } = open(path)
      return store.read(rest, options)
    },
    async write(path, data, options) {
      const { home, rest, dir, store } = open(path)
      // A folder without its record would be taken for a run.
      if (!isRealDir(dirname(dir))) throw new NotFoundError(`There is no run or logged model at ${home}`)
      return store.write(rest, data, options)
    },
    async remove(path, options) {
      const { rest, store } = open(path)
      if (rest === '') throw new InvalidParameterError('Name the file or folder to remove')
      return store.remove(rest, options)
    },
  }
}
