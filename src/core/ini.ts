/** Sections of an INI text, each a map of keys in lower case; values keep their text: nothing is expanded. */
export type Ini = ReadonlyMap<string, ReadonlyMap<string, string>>

const SECTION = /^\[([^\]]*)\]$/
const ENTRY = /^([^=:]+?)\s*[=:]\s*(.*)$/

/**
 * Reads INI text as Python's `configparser` does for plain files: a line that is indented more than the key above it goes on
 * with the value of that key. Lines it cannot make out are passed over.
 */
export function parseIni(text: string): Ini {
  const sections = new Map<string, Map<string, string>>()
  let section = new Map<string, string>()
  let open: { key: string; indent: number } | undefined
  let blank = ''
  for (const raw of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const line = raw.trim()
    if (line.startsWith('#') || line.startsWith(';')) continue
    const indent = raw.search(/\S/)
    if (line === '') blank += '\n'
    else if (open && indent > open.indent) {
      section.set(open.key, `${section.get(open.key)}\n${blank}${line}`)
      blank = ''
    } else {
      const name = SECTION.exec(line)?.[1]?.trim()
      const [, key, value = ''] = ENTRY.exec(line) ?? []
      if (name !== undefined) {
        section = sections.get(name) ?? new Map()
        sections.set(name, section)
      } else if (key !== undefined) section.set(key.toLowerCase(), value)
      open = name === undefined && key !== undefined ? { key: key.toLowerCase(), indent } : undefined
      blank = ''
    }
  }
  return sections
}

/** User and password of MLflow's `~/.mlflow/credentials`, where `%%` stands for a `%`; what it lacks is absent. */
export function mlflowCredentials(text: string): { username?: string; password?: string } {
  const section = parseIni(text).get('mlflow')
  const [username, password] = ['username', 'password'].map((name) =>
    section?.get(`mlflow_tracking_${name}`)?.replaceAll('%%', '%'),
  )
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
  // No value has a second line here: an indented token must not become part of the host above it, and of its address.
  const section = parseIni(text.replace(/^[ \t]+/gm, '')).get(profile)
  if (!section) return undefined
  const found: Record<string, string> = {}
  for (const key of ['host', 'token', 'username', 'password']) {
    const value = section.get(key)
    if (value) found[key] = value
  }
  return found
}
