import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { download } from '../artifacts/download.js'
import { listChecked } from '../artifacts/listing.js'
import { checkSource, isLocal, localPath } from '../artifacts/location.js'
import { checkArtifactPath, joinPath } from '../artifacts/paths.js'
import type { ArtifactFile, ArtifactStore } from '../artifacts/store.js'
import type { CopyOptions } from '../artifacts/transfer.js'
import type { FileInfo } from '../core/entities.js'
import { formatModelUri, isModelUri, isRunsUri, parseRunsUri, type RunsRef, splitModelUri } from '../core/model-uri.js'
import { checkRunId } from '../core/names.js'
import { slipOf } from '../core/nearest.js'
import { percentDecoded } from '../core/percent.js'
import { factsBehind, makeDirs, removeAll } from '../disk/files.js'
import { InvalidParameterError, NotFoundError } from '../errors.js'
import type { ModelPlace } from '../models/resolved.js'
import type { Backends, ResolveOptions } from './backends.js'
import { resolveModel } from './model.js'
import { artifactUriOf, modelsOfRun, placeInRun, runOf } from './place.js'

/** Artifacts by URI, or by run and path. */
export type ArtifactTarget = string | { readonly runId: string; readonly path?: string | undefined }

/** How `downloadArtifacts` fetches. */
export interface DownloadOptions extends CopyOptions {
  /** Where to; a fresh folder of the system's temporary ones unless said. Places on this machine are then not copied at all. */
  readonly dstPath?: string | undefined
}

interface Located extends ModelPlace {
  /** The path that the copy has below the destination. */
  readonly as: string
}

/** Where artifacts lie: the store's URI, the path in it, and the path a copy gets. */
async function resolveArtifacts(
  backends: Backends,
  target: ArtifactTarget,
  options: ResolveOptions = {},
): Promise<Located> {
  if (typeof target !== 'string') {
    if (typeof target !== 'object' || target === null)
      throw new InvalidParameterError('Artifacts are named by a URI, like runs:/<run id>/<path>, or by { runId, path }')
    // Whole runs and models are handed over, too, with names of their own; but without its path all of a run would come.
    const odd = slipOf('path', target)
    if (odd !== undefined) throw new InvalidParameterError(`Artifacts have no ${odd}: did you mean path?`)
    const path = checkArtifactPath(target.path ?? '')
    const { place } = await placeInRun(backends, { runId: checkRunId(target.runId), path }, options)
    return { ...place, as: path }
  }
  if (isRunsUri(target)) {
    const ref: RunsRef = parseRunsUri(target)
    const { place } = await placeInRun(backends, ref, options)
    return { ...place, as: ref.path === '' ? '' : basename(ref.path) }
  }
  if (isModelUri(target)) {
    const { ref, path } = splitModelUri(target)
    const place = await (await resolveModel(backends, formatModelUri(ref), options)).place()
    return { artifactUri: place.artifactUri, path: joinPath(place.path, path), as: path === '' ? '' : basename(path) }
  }
  const { root, name } = splitUri(target)
  return { artifactUri: root, path: name, as: name }
}

/** A URI as the store of its folder and the name in it, so that a file can be asked for, too. */
function splitUri(uri: string): { root: string; name: string } {
  if (isLocal(uri)) {
    const path = localPath(uri)
    return { root: resolve(path, '..'), name: basename(path) }
  }
  const trimmed = checkSource(uri, true).replace(/\/+$/, '')
  const cut = trimmed.lastIndexOf('/')
  const root = trimmed.slice(0, cut)
  // A bucket or the root of a server has no folder above it.
  if (cut < 0 || !/^[a-z][a-z0-9+.-]+:(?:\/[^/]|\/\/[^/]+)/i.test(root)) return { root: uri, name: '' }
  const name = trimmed.slice(cut + 1)
  return { root, name: percentDecoded(name) ?? name }
}

/** Brings artifacts to this machine and answers the path of what was asked for; `NotFoundError` when there is nothing. */
export async function downloadArtifacts(
  backends: Backends,
  target: ArtifactTarget,
  { dstPath: named, concurrency, ...others }: DownloadOptions = {},
): Promise<string> {
  // The options take null for what is left out.
  const dstPath = named ?? undefined
  const options = { ...others, concurrency: concurrency ?? undefined }
  const { artifactUri, path, as } = await resolveArtifacts(backends, target, options)
  const store = await backends.openAnyPlace(artifactUri)
  if (dstPath === undefined && isLocal(artifactUri)) return hereAlready(store, { artifactUri, path }, options)
  const to = resolve(dstPath ?? join(tmpdir(), `cairn-${randomUUID()}`))
  const found = await factsBehind(to)
  if (found && found.kind !== 'directory') throw new InvalidParameterError(`${to} is no directory to download to`)
  if (dstPath === undefined) await makeDirs(to, 0o700)
  const parent = as.includes('/') ? as.slice(0, as.lastIndexOf('/')) : ''
  try {
    const files = await download(store, path, (isAlone) => join(to, isAlone ? parent : as), options)
    if (files === 0 && path === '') throw new NotFoundError(`There are no artifacts in ${artifactUri}`)
  } catch (error) {
    // Nobody else knows its name, to remove it.
    if (dstPath === undefined) await removeAll(to)
    throw error
  }
  return as === '' ? to : join(to, as)
}

async function hereAlready(
  store: ArtifactStore,
  { artifactUri: uri, path }: ModelPlace,
  { signal }: ResolveOptions,
): Promise<string> {
  signal?.throwIfAborted()
  // Listing checks the path by the store's rules, links included.
  const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
  const there =
    path === ''
      ? await factsBehind(localPath(uri))
      : (await store.list(parent, { signal })).find((entry) => entry.path === path)
  if (!there) throw new NotFoundError(`There is no artifact ${JSON.stringify(path)} in ${uri}`)
  return join(localPath(uri), ...path.split('/'))
}

const toInfo = ({ path, isDir, size }: ArtifactFile): FileInfo => ({ path, isDir, fileSize: isDir ? undefined : size })
const byPath = (a: FileInfo, b: FileInfo): number => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)

/**
 * What lies directly below a path of a run (or of any artifact URI), sorted by path. As in MLflow 3 the run's logged models
 * count as folders with their names; a file or an absent path lists nothing.
 */
export async function listArtifacts(
  backends: Backends,
  target: string | { readonly runId: string },
  path = '',
  options: ResolveOptions = {},
): Promise<FileInfo[]> {
  const asked = checkArtifactPath(path)
  const runId = typeof target === 'string' ? undefined : checkRunId(target.runId)
  if (runId === undefined) {
    const { artifactUri, path: root } = await resolveArtifacts(backends, target as string, options)
    const store = await backends.openAnyPlace(artifactUri)
    const entries = await listChecked(store, joinPath(root, asked), options.signal)
    const cut = root === '' ? 0 : root.length + 1
    return entries.map((entry) => toInfo({ ...entry, path: entry.path.slice(cut) })).sort(byPath)
  }
  return listRun(backends, runId, asked, options)
}

async function listRun(backends: Backends, runId: string, path: string, options: ResolveOptions): Promise<FileInfo[]> {
  const run = await runOf(backends, runId, options)
  const own = await listChecked(await backends.openAnyPlace(artifactUriOf(backends, run)), path, options.signal)
  const found = new Map(own.map((entry) => [entry.path, toInfo(entry)]))
  const [first = '', ...rest] = path.split('/')
  const models = await modelsOfRun(backends, run, options)
  if (first === '') {
    for (const { info } of models) found.set(info.name, { path: info.name, isDir: true, fileSize: undefined })
  } else if (models.some(({ info }) => info.name === first)) {
    const { place } = await placeInRun(backends, { runId, path }, options)
    const inside = await listChecked(await backends.openAnyPlace(place.artifactUri), rest.join('/'), options.signal)
    for (const entry of inside) {
      const info = toInfo({ ...entry, path: joinPath(first, entry.path) })
      found.set(info.path, info)
    }
  }
  return [...found.values()].sort(byPath)
}
