import { join } from 'node:path'
import { checkModelName } from '../../core/names.js'
import { WINDOWS_DEVICE } from '../../core/relative-path.js'
import { stateOf } from '../../disk/write.js'
import { InvalidParameterError, NotFoundError } from '../../errors.js'
import { registryDir, type Store } from './layout.js'

const refuse = (name: string, why: string): never => {
  throw new InvalidParameterError(
    `The registered model name ${JSON.stringify(name.slice(0, 80))} ${why}; in a local store it names a folder`,
  )
}

const LONGEST = 255

/**
 * Checks that a registered model's name can be a folder of its own: MLflow's rule, and none of `%`, `\`, control
 * characters, `.`, `..`, over 255 bytes; on Windows none of its reserved names and characters either.
 */
export function checkModelFolder(name: string, platform: string = process.platform): string {
  checkModelName(name)
  if (name.includes('%')) refuse(name, 'must not contain "%"')
  if (name.includes('\\')) refuse(name, 'must not contain "\\"')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\x00-\x1f\x7f]/.test(name)) refuse(name, 'must not contain control characters')
  if (name === '.' || name === '..') refuse(name, 'is a way, not a name')
  if (new TextEncoder().encode(name).length > LONGEST) refuse(name, `has more than ${LONGEST} bytes`)
  if (platform !== 'win32') return name
  if (WINDOWS_DEVICE.test(name)) refuse(name, 'is reserved by Windows')
  if (/[<>"|?*]/.test(name)) refuse(name, 'must not contain any of < > " | ? * on Windows')
  return /[. ]$/.test(name) ? refuse(name, 'must not end with a dot or blank on Windows') : name
}

/** Where a registered model lies or would lie. The name is checked. */
export const modelFolder = (store: Store, name: string): string => join(registryDir(store), checkModelFolder(name))

/** The folder of a registered model; throws `NotFoundError` when there is none. */
export function existingModel(store: Store, name: string): string {
  const dir = modelFolder(store, name)
  if (!stateOf(dir)?.isDirectory) throw new NotFoundError(`There is no registered model ${JSON.stringify(name)}`)
  return dir
}
