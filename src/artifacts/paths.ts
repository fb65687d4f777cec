import { checkRelativePath } from '../core/relative-path.js'
import { UnsafePathError } from '../errors.js'

const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i

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

/** Refuses a path that MLflow's servers keep under another name, where it may replace a file: they decode it once too often. */
export function checkServedPath(path: string): void {
  const [code] = /%[0-9a-f]{2}/i.exec(path) ?? []
  if (code !== undefined)
    throw new UnsafePathError(
      `The artifact path ${JSON.stringify(path)} is refused: it contains ${JSON.stringify(code)}, which MLflow servers decode, so that they keep the file under another name; rename it`,
    )
}

/** Two artifact paths as one. */
export const joinPath = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join('/')
