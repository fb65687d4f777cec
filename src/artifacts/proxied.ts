import { z } from 'zod'
import { isTooDeep } from '../core/json-text.js'
import { percentDecoded } from '../core/percent.js'
import { type Clock, defaultRules, type RetryRules, retrying } from '../core/retry.js'
import {
  absent,
  CairnError,
  InvalidParameterError,
  isUnknown,
  NetworkError,
  NotFoundError,
  ProtocolError,
  reworded,
} from '../errors.js'
import { systemClock } from '../host/clock.js'
import { isBroken } from '../http/failure.js'
import { notMlflow } from '../http/refusal.js'
import type { HttpAnswer, Send } from '../http/send.js'
import { encodeSegment, printable } from '../http/url.js'
import { checkArtifactPath, checkListed, checkServedPath, folderOf, joinPath } from './paths.js'
import type { ArtifactFile, ArtifactStore, OpenArtifacts } from './store.js'
import { isStumble, withReason } from './stumble.js'

/** How transfers are tried again; each of them may be repeated without harm. */
export interface ProxiedOptions {
  readonly rules?: Partial<RetryRules> | undefined
  readonly clock?: Clock | undefined
}

/** Where a store's files are on a server. */
interface Place {
  /** Another server's address, where it is not the sender's own. */
  readonly origin?: string
  /** In front of the store's root and the query that lists it, percent-encoded. */
  readonly endpoint: string
  /** The store's root below the endpoint; segments not yet encoded. */
  readonly root: string
}

const ENDPOINT = '/api/2.0/mlflow-artifacts/artifacts'
const listing = z.looseObject({
  files: z
    .array(
      z.looseObject({
        path: z.string(),
        is_dir: z.boolean().nullish(),
        file_size: z.union([z.number(), z.string().regex(/^\d+$/)]).nullish(),
      }),
    )
    .nullish(),
})

/**
 * Artifacts through a tracking server: opens `mlflow-artifacts:` URIs, and `http(s):` ones that name a server's artifact
 * route. Everything goes through `send`, with its credentials where the host is the same.
 */
export function proxied(send: Send, options: ProxiedOptions = {}): OpenArtifacts {
  const stumbled = new Set<string>()
  return (uri) => proxiedStore(send, placeOf(uri, send.base), { ...options, stumbled })
}

function placeOf(uri: string, base: string): Place {
  if (/[?#]/.test(uri)) throw new InvalidParameterError(`An artifact URI has neither ? nor #: ${printable(uri)}`)
  const [, scheme = '', host, path = ''] = /^([a-z-]+):(?:\/\/([^/]*))?(.*)$/i.exec(uri) ?? []
  if (scheme.toLowerCase() === 'mlflow-artifacts') {
    const root = path.replace(/^\/+|\/+$/g, '')
    const own = new URL(base)
    if (!host || host === own.host) return { endpoint: ENDPOINT, root }
    return { origin: `${own.protocol}//${host}${own.pathname}`.replace(/\/$/, ''), endpoint: ENDPOINT, root }
  }
  if (!/^https?$/i.test(scheme) || !URL.canParse(uri))
    throw new InvalidParameterError(`Not an address that a tracking server serves artifacts at: ${printable(uri)}`)
  const { origin, pathname } = new URL(uri)
  const at = pathname.indexOf('/mlflow-artifacts/artifacts')
  const cut = at < 0 ? pathname.length : at + '/mlflow-artifacts/artifacts'.length
  const root = percentDecoded(pathname.slice(cut))?.split('/').filter(Boolean).join('/')
  if (root === undefined)
    throw new InvalidParameterError(`The percent-encoding of an artifact URI is not valid: ${printable(uri)}`)
  return { origin, endpoint: pathname.slice(0, cut).replace(/\/$/, ''), root }
}

/** `stumbled` has the places whose last upload was answered with a stumble: a next try may be a call of its own. */
function proxiedStore(
  send: Send,
  { origin, endpoint, root }: Place,
  { stumbled, ...options }: ProxiedOptions & { readonly stumbled: Set<string> },
): ArtifactStore {
  const rules = { ...defaultRules, ...options.rules }
  const clock = options.clock ?? systemClock
  const at = (path: string) =>
    [endpoint, ...joinPath(root, checkArtifactPath(path)).split('/').filter(Boolean).map(encodeSegment)].join('/')
  const tries = <T>(signal: AbortSignal | undefined, once: () => Promise<T>) => retrying(once, { rules, clock, signal })
  const common = { origin, idempotent: true }

  async function listed(path: string, signal: AbortSignal | undefined): Promise<HttpAnswer> {
    const dir = joinPath(root, checkArtifactPath(path))
    checkListed(dir)
    const query = dir === '' ? '' : `?path=${encodeURIComponent(dir)}`
    return send.text({ ...common, method: 'GET', path: endpoint + query, signal })
  }

  return {
    attempts: rules.attempts,
    checkWritable: checkServedPath,

    async list(path, { signal } = {}) {
      return filesOf(await tries(signal, () => listed(path, signal)), path)
    },

    async read(path, { signal } = {}) {
      let broken = 0
      const get = () => send.stream({ ...common, method: 'GET', path: at(path), mayRedirect: true, signal })
      const refused = (error: unknown): never => {
        if (isUnsendable(path) && breaksOff(error) && (!error.retryable || ++broken === 2))
          throw unsendable(error, path)
        throw absence(error, path)
      }
      const { body } = await tries(signal, () => get().catch(refused))
      return body
    },

    async write(path, data, { signal, onUnsure } = {}) {
      checkServedPath(path)
      const headers = { 'content-type': data.type || 'application/octet-stream' }
      const place = `${origin ?? ''}${at(path)}`
      const put = () =>
        send
          .text({
            ...common,
            method: 'PUT',
            path: at(path),
            body: data,
            headers,
            signal,
            timeoutMs: Number.POSITIVE_INFINITY,
          })
          .catch(async (error: unknown) => {
            const isSecond = stumbled.delete(place)
            if (!isStumble(error)) throw error
            // One alone may be an outage's, which passes.
            if (!isSecond) {
              stumbled.add(place)
              throw error
            }
            throw await withReason(error, path, async (dir) => filesOf(await listed(dir, signal), dir))
          })
      await tries(signal, async () => {
        const answer = await put()
        stumbled.delete(place)
        if (answer.text !== '') return jsonOf(answer)
        // MLflow 3 says nothing of an upload, and so does what stands in front of a server and has kept nothing.
        if (onUnsure) return onUnsure()
        const dir = folderOf(path)
        const there = filesOf(await tries(signal, () => listed(dir, signal)), dir).find((file) => file.path === path)
        if (there?.size !== data.size) throw notStored(answer, path, there?.size)
      })
    },

    async remove(path, { signal } = {}) {
      await tries(signal, () => send.text({ ...common, method: 'DELETE', path: at(path), signal })).catch(absent)
    },
  }
}

const GONE = /Errno 2\]|Errno 21\]|No such file|Is a directory|\(404\)|NoSuchKey/
/** A bucket that a redirect leads to does not speak as MLflow. */
const GONE_FROM_BUCKET = /NoSuchKey|BlobNotFound/

/** MLflow 2 answers 500 for a file that is not there, and every version for a directory; trying again would not help. */
function absence(error: unknown, path: string): unknown {
  if (!(error instanceof CairnError) || !(error.status === 500 || isUnknown(error))) return error
  const words = error.status === 500 ? GONE : GONE_FROM_BUCKET
  if (error.status === undefined || !words.test(error.message)) return error
  return reworded(error, `There is no artifact ${JSON.stringify(path)}`, { as: NotFoundError })
}

/** MLflow 2 puts the bare name into a header of its answer, and gunicorn breaks off over one that is not Latin-1. */
const isUnsendable = (path: string): boolean => /[\u0100-\u{10ffff}]/u.test(path.slice(path.lastIndexOf('/') + 1))

/** Some of its workers answer with a page in place of what MLflow would say. */
const breaksOff = (error: unknown): error is CairnError =>
  error instanceof CairnError &&
  ((error instanceof NetworkError && isBroken(error.cause)) ||
    ((error.status === 500 || error.status === 400) && error.message.includes('with an HTML page')))

const unsendable = (error: CairnError, path: string): NetworkError =>
  new NetworkError(
    `The server breaks off when it is asked for ${JSON.stringify(path)}: MLflow 2 on gunicorn cannot send a file whose name has characters outside Latin-1. MLflow 3 (on uvicorn) can; else log it under another name, or fetch it where the server keeps it`,
    { cause: error, retryable: false, url: error.url },
  )

const notStored = ({ url, status }: HttpAnswer, path: string, size: number | undefined): ProtocolError =>
  new ProtocolError(
    `${url} answered ${status} with nothing, and ${JSON.stringify(path)} is ${size === undefined ? 'not there' : `there with ${size} bytes that are not those sent`}: something in front of the server may have answered in its place`,
    { url, status, retryable: true },
  )

function filesOf(answer: HttpAnswer, dir: string): ArtifactFile[] {
  const read = listing.safeParse(jsonOf(answer))
  if (!read.success) throw notMlflow(answer, 'the list of artifacts is not one')
  return (read.data.files ?? []).map(({ path: name, is_dir: isDir, file_size: size }) => ({
    // Names come bare; whether they are names at all is for the caller to judge, who joins them to a folder.
    path: dir === '' ? name : `${dir}/${name}`,
    isDir: isDir ?? false,
    ...(isDir ? {} : { size: Number(size ?? 0) }),
  }))
}

function jsonOf(answer: HttpAnswer): unknown {
  if (isTooDeep(answer.text)) throw notMlflow(answer, 'its JSON is nested too deep')
  try {
    return JSON.parse(answer.text)
  } catch {
    throw notMlflow(answer)
  }
}
