import { checkRelativePath, WINDOWS_DEVICE } from '../core/relative-path.js'
import { UnsafePathError } from '../errors.js'

/**
 * Checks an artifact path, of a user or a server, by the rule of `checkRelativePath`. Answers it without a trailing `/`;
 * `''` is the root. Throws `UnsafePathError` naming the part that breaks the rule.
 */
export function checkArtifactPath(path: string): string {
  if (path === '') return ''
  const clean = typeof path === 'string' && path.endsWith('/') && path.length > 1 ? path.slice(0, -1) : path
  return checkRelativePath(clean, 'The artifact path')
}

/** Checks a path that is about to become a file here: on Windows its device names and trailing dots and spaces, too. */
export function checkLocalPath(path: string, platform: string = process.platform): string {
  const clean = checkArtifactPath(path)
  if (platform !== 'win32') return clean
  for (const segment of clean.split('/')) {
    const refuse = (reason: string): never => {
      throw new UnsafePathError(
        `${JSON.stringify(path)} is refused: ${JSON.stringify(segment)} is ${reason} on Windows`,
      )
    }
    if (WINDOWS_DEVICE.test(segment)) refuse('a device')
    if (/[. ]$/.test(segment) || /[<>:"|?*]/.test(segment)) refuse('not a file name')
  }
  return clean
}

/** Refuses a path that MLflow's servers keep under another name, where it may replace a file, or in a folder they never list. */
export function checkServedPath(path: string): void {
  const refuse = (reason: string): never => {
    throw new UnsafePathError(`The artifact path ${JSON.stringify(path)} is refused: ${reason}; rename it`)
  }
  const [code] = /%[0-9a-f]{2}/i.exec(path) ?? []
  if (code !== undefined)
    refuse(
      `it contains ${JSON.stringify(code)}, which MLflow servers decode, so that they keep the file under another name`,
    )
  for (const part of partsOf(path)) {
    const lost = lostCharacter(part)
    if (lost === undefined) continue
    const named = `MLflow servers drop the ${JSON.stringify(lost)} of ${JSON.stringify(part)}`
    refuse(`${named}, so that they ${part === path ? 'keep the file under another name' : 'never list what is in it'}`)
  }
}

/** Refuses to ask a server for a folder in whose place MLflow's would list another one, or nothing. */
export function checkListed(dir: string): void {
  const lost = lostCharacter(dir)
  if (lost !== undefined)
    throw new UnsafePathError(
      `The folder ${JSON.stringify(dir)} cannot be listed: MLflow servers drop its ${JSON.stringify(lost)}; rename it where the server keeps it`,
    )
}

/** A path's first folder, the one in it, and so on to the path itself. */
const partsOf = (path: string): string[] => path.split('/').map((_, at, all) => all.slice(0, at + 1).join('/'))

/** The character that MLflow's servers drop of a path, which they take for a URL: what opens an empty query or empty params. */
function lostCharacter(path: string): '?' | ';' | undefined {
  const cut = path.indexOf('?')
  if (cut >= 0 && cut === path.length - 1) return '?'
  const before = cut < 0 ? path : path.slice(0, cut)
  return /(?:^|\/)[^;/]*;$/.test(before) ? ';' : undefined
}

/** Two artifact paths as one. */
export const joinPath = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join('/')

/** The folder that a path lies in; `''` is the root. */
export const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))
