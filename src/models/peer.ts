import { MissingPeerError } from '../errors.js'

const isAbsent = (error: unknown, name: string): boolean => {
  const { code, message = '' } = error as NodeJS.ErrnoException
  return (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') && message.includes(name)
}

/** On each import of an optional package: a bundler that does not find the package then warns, and makes its bundle. */
export const thrown = (error: unknown): never => {
  throw error
}

/** The optional package `name`, imported by `load`; `undefined` when it is not installed. */
export async function peerIfThere<T>(name: string, load: () => Promise<T>): Promise<T | undefined> {
  try {
    return await load()
  } catch (error) {
    if (isAbsent(error, name)) return undefined
    throw new MissingPeerError(`${name} is installed but does not load: ${(error as Error).message}`, { cause: error })
  }
}

/** As `peerIfThere`, but an absent package is a `MissingPeerError` that gives the command to install it. */
export async function peer<T>(name: string, command: string, load: () => Promise<T>): Promise<T> {
  const found = await peerIfThere(name, load)
  if (found === undefined)
    throw new MissingPeerError(`${name} is needed and not installed; install it with: ${command}`)
  return found
}
