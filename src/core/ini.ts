/** Sections of an INI text, each a map of keys in lower case; values keep their text: nothing is expanded. */
export type Ini = ReadonlyMap<string, ReadonlyMap<string, string>>

const SECTION = /^\[([^\]]*)\]$/
const ENTRY = /^([^=:]+?)\s*[=:]\s*(.*)$/

/** Reads INI text as Python's `configparser` does for plain files; lines it cannot make out are passed over. */
export function parseIni(text: string): Ini {
  const sections = new Map<string, Map<string, string>>()
  let section = new Map<string, string>()
  for (const raw of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue
    const name = SECTION.exec(line)?.[1]?.trim()
    const [, key, value] = ENTRY.exec(line) ?? []
    if (name !== undefined) {
      section = sections.get(name) ?? new Map()
      sections.set(name, section)
    } else if (key !== undefined) section.set(key.toLowerCase(), value ?? '')
  }
  return sections
}

/** User and password of MLflow's `~/.mlflow/credentials`; what it lacks is absent. */
export function mlflowCredentials(text: string): { username?: string; password?: string } {
  const section = parseIni(text).get('mlflow')
  const username = section?.get('mlflow_tracking_username')
  const password = section?.get('mlflow_tracking_password')
  return { ...(username ? { username } : {}), ...(password ? { password } : {}) }
}

/**
 * Host and credentials of one profile of `~/.databrickscfg` (`DEFAULT` unless named); `undefined` when it is not there. A
 * profile takes nothing from `DEFAULT`, as with Databricks' own clients: a token is for the host it stands beside.
 */
export function databricksProfile(
  text: string,
  profile = 'DEFAULT',
): { host?: string; token?: string; username?: string; password?: string } | undefined {
  const section = parseIni(text).get(profile)
  if (!section) return undefined
  const found: Record<string, string> = {}
  for (const key of ['host', 'token', 'username', 'password']) {
    const value = section.get(key)
    if (value) found[key] = value
  }
  return found
}
