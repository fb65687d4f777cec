import { dirname, join, resolve } from 'node:path'
import { isLocal } from '../artifacts/location.js'
import { factsBehind } from '../disk/files.js'
import { tree } from '../disk/tree.js'
import { canWrite, freshPath, makeDir, removeDir } from '../disk/write.js'
import type { DoctorDeps, Found } from '../doctor.js'
import { printable } from '../http/url.js'

/** Where runs and models go. */
export async function trackingUri({ trackingUri: uri, registryUri, chosen }: DoctorDeps): Promise<Found> {
  const detail = registryUri === uri ? shown(uri) : `${shown(uri)}, registry ${shown(registryUri)}`
  if (!chosen && (await factsBehind('mlflow.db')))
    return {
      status: 'warn',
      detail: `${detail} (the default), beside an mlflow.db of Python's client`,
      fix: 'serve that database with mlflow server --backend-store-uri sqlite:///mlflow.db, and set MLFLOW_TRACKING_URI',
    }
  if ([uri, registryUri].some((one) => /^[a-z]+:\/\/[^/]*@/i.test(one)))
    return {
      status: 'warn',
      detail: `${detail}, with credentials in it, which other programs may show`,
      fix: 'put them into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or ~/.mlflow/credentials',
    }
  return { status: 'ok', detail: chosen ? detail : `${detail} (the default)` }
}

/** An address without its credentials; a path may hold anything. */
const shown = (uri: string): string => (isLocal(uri) ? uri : printable(uri))

/** The local store. */
export async function localStore({ trackingUri: root, transport }: DoctorDeps): Promise<Found> {
  if (!(await factsBehind(root))) {
    if (await canMake(root)) return { status: 'ok', detail: `${root} is made with the first run` }
    return { status: 'fail', detail: `${root} cannot be made`, fix: 'set MLFLOW_TRACKING_URI to a folder of yours' }
  }
  if (!canWrite(root)) return { status: 'fail', detail: `${root} may not be written`, fix: 'check owner and mode' }
  const { experiments } = await (await transport()).call('searchExperiments', { max_results: 50_000, view_type: 'ALL' })
  return { status: 'ok', detail: `${experiments.length} experiments; Python needs MLFLOW_ALLOW_FILE_STORE=true` }
}

/** Whether a folder may be written, or made where it is not there. */
export async function canMake(path: string): Promise<boolean> {
  for (let at = resolve(path); ; at = dirname(at)) {
    const facts = await factsBehind(at).catch(() => undefined)
    if (facts || at === dirname(at)) return facts?.kind === 'directory' && takesFolders(at)
  }
}

/** Tried, as the owner of a place like /proc has the right to write there, and nothing can be made in it. */
function takesFolders(dir: string): boolean {
  const made = freshPath(dir)
  try {
    makeDir(made)
    removeDir(made)
    return true
  } catch {
    return false
  }
}

/** The models that are kept on this machine. */
export async function cache({ cache: info, cacheDir }: DoctorDeps): Promise<Found> {
  if (!(await canMake(cacheDir)))
    return { status: 'fail', detail: `${cacheDir} may not be written`, fix: 'set CAIRN_CACHE_DIR to a folder of yours' }
  const { dir, bytes, entries } = await info()
  return { status: 'ok', detail: `${entries.length} models, ${(bytes / 1e6).toFixed(1)} MB in ${dir}` }
}

/** What waits on disk for a server, and what a server refused. */
export async function spool({ spoolDir }: DoctorDeps): Promise<Found> {
  if (!(await canMake(spoolDir)))
    return {
      status: 'fail',
      detail: `${spoolDir} may not be written: what is logged cannot wait there for its server`,
      fix: 'set CAIRN_SPOOL_DIR to a folder of yours',
    }
  const found = (await factsBehind(spoolDir)) ? await tree(spoolDir) : []
  const isRefused = (path: string) => /^v\d+\/[^/]+\/refused\//.test(path)
  // Beside these lies what is known of a server, and what is set aside for a full disk.
  const waiting = found.filter(({ path }) => /^v\d+\/[^/]+\/runs\//.test(path))
  const refused = found.filter(({ path }) => isRefused(path))
  const bytes = waiting.reduce((sum, { size }) => sum + size, 0)
  const kept = refused[0] && `what a server refused lies in ${dirname(join(spoolDir, refused[0].path))}`
  const read = 'read the reasons there, and remove what you do not need'
  if (bytes > 0)
    return {
      status: 'warn',
      detail: [`${bytes} bytes wait in ${spoolDir}`, kept].filter(Boolean).join('; '),
      fix: ['send it with: npx cairn-ml sync', kept && read].filter(Boolean).join('; '),
    }
  return kept ? { status: 'warn', detail: kept, fix: read } : { status: 'ok', detail: 'nothing waits' }
}
