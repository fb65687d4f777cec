import { isAbsolute, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { percentDecoded } from '../core/percent.js'
import { CONTROL } from '../core/relative-path.js'
import { InvalidParameterError, UnsafePathError } from '../errors.js'

const SCHEME = /^([a-z][a-z0-9+.-]+):/i
const DRIVE = /^[a-z]:(?:[\\/]|$)/i

/** The scheme of a URI in lower case; a path, relative or of a Windows drive, has `file`. */
export const schemeOf = (uri: string): string => SCHEME.exec(uri)?.[1]?.toLowerCase() ?? 'file'

/** Whether a URI means a place on this machine: a path, a drive, a UNC name or a `file:` URI. */
export const isLocal = (uri: string): boolean => schemeOf(uri) === 'file'

/** Whether a URI means what a tracking server passes on. */
export const isServed = (uri: string): boolean => /^(?:mlflow-artifacts|https?)$/.test(schemeOf(uri))

/** The absolute path that a path or `file:` URI means; `InvalidParameterError` for another host, a query or a fragment. */
export function localPath(uri: string, platform: string = process.platform): string {
  const refuse = (reason: string): never => {
    throw new InvalidParameterError(`${JSON.stringify(uri)} is not a place on this machine: ${reason}`)
  }
  if (typeof uri !== 'string') return refuse(`it is no text but ${typeof uri}`)
  if (uri === '') return refuse('it is empty')
  if (uri.includes('\0')) return refuse('it contains a NUL character')
  const scheme = schemeOf(uri)
  if (scheme !== 'file') return refuse(`its scheme is ${scheme}:`)
  if (!/^file:/i.test(uri)) {
    if (platform !== 'win32' && DRIVE.test(uri)) return refuse('it names a Windows drive')
    if (/^(?:\\\\|\/\/)/.test(uri)) return refuse('it names another host')
    return resolve(uri)
  }
  if (/[#?]/.test(uri)) return refuse('a file: URI has no query and no fragment; write ? as %3F and # as %23')
  const rest = uri.slice('file:'.length)
  const host = /^\/\/([^/]*)/.exec(rest)?.[1]
  if (host !== undefined && host !== '' && host.toLowerCase() !== 'localhost')
    return refuse(`it names the host ${host}; write file:///path`)
  if (rest.includes('\\')) return refuse('a file: URI has no backslashes')
  const path = host === undefined ? rest : rest.slice(2 + host.length)
  if (/(?:^|\/)(?:\.|%2e){2}(?:\/|$)/i.test(path)) return refuse('it contains ".."')
  if (!path.startsWith('/'))
    return path === ''
      ? refuse('it has no path')
      : resolve(percentDecoded(path) ?? refuse('its percent-encoding is not valid'))
  try {
    return fileURLToPath(`file://${path}`)
  } catch {
    return refuse('its percent-encoding is not valid')
  }
}

/**
 * Checks a place that a server or a model names: no fragment, query or `..`, and none on this machine unless `allowLocal`:
 * anybody who can write to a server could otherwise make its users read, or write over, any file of theirs.
 */
export function checkSource(uri: string, allowLocal: boolean): string {
  const refuse = (reason: string): never => {
    throw new UnsafePathError(`The place ${JSON.stringify(uri.slice(0, 200))} is refused: ${reason}`)
  }
  if (uri === '') refuse('it is empty')
  if (isLocal(uri) || /^[a-z]:/i.test(uri) || isAbsolute(uri) || uri.includes('\\')) {
    if (!allowLocal)
      refuse(
        'it is a path on this machine, named by a server that may be elsewhere; if both share a disk, set CAIRN_ALLOW_LOCAL_SOURCES=true, or allowLocalSources: true of createClient',
      )
    localPath(uri)
    return uri
  }
  if (uri.includes('#')) refuse('it has a fragment (#)')
  if (uri.includes('?')) refuse('it has a query (?)')
  let text = uri
  for (let round = 0; round < 8; round++) {
    if (CONTROL.test(text)) refuse('it contains a control character')
    if (text.split(/[/\\]/).some((segment) => (segment.split(';')[0] ?? '') === '..')) refuse('it contains ".."')
    const next = text.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    if (next === text) return uri
    text = next
  }
  return refuse('it is percent-encoded many times over')
}
