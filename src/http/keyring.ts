import { type Auth, type Credentials, credentials } from './auth.js'

export interface KeyringOptions {
  readonly auth?: Auth | undefined
  /** Gives `auth` as it is by now. */
  readonly renew?: (() => Promise<Auth | undefined>) | undefined
  readonly warn?: ((message: string) => void) | undefined
}

/** The credentials of one sender, which may change while it lives. */
export interface Keyring {
  readonly current: Credentials
  /** Whether a request that was answered with `status` has other credentials to try than those it `used`. */
  isOther(used: Credentials, status: number): Promise<boolean>
}

/** Holds credentials; those that came from files or the environment are read again when a server takes them no more. */
export function keyring({ auth, renew, warn }: KeyringOptions): Keyring {
  let given = auth
  let current = credentials(given)
  let renewing: Promise<void> | undefined

  async function readAgain(ask: () => Promise<Auth | undefined>): Promise<void> {
    try {
      const next = await ask()
      if (next === undefined || JSON.stringify(next) === JSON.stringify(given)) return
      current = credentials(next)
      given = next
    } catch (error) {
      warn?.(`The credentials cannot be read again: ${(error as Error).message}`)
    }
  }

  return {
    get current() {
      return current
    },
    async isOther(used, status) {
      // Databricks answers a token that has run out with a 403.
      if (status !== 401 && status !== 403) return false
      if (current.renewable) return status === 401
      if (current !== used) return true
      if (!renew) return false
      renewing ??= readAgain(renew).finally(() => {
        renewing = undefined
      })
      await renewing
      return current !== used
    },
  }
}
