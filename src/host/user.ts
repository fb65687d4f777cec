import { userInfo } from 'node:os'

/** The name of the system's user; nothing where the system has none for this process (a container's bare number). */
export function systemUser(): string | undefined {
  try {
    return userInfo().username || undefined
  } catch {
    return undefined
  }
}
