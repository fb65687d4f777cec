import { InvalidParameterError } from '../errors.js'

/** Sections of an INI text, each a map of keys in lower case; values keep their text: nothing is expanded or inherited. */
type Ini = ReadonlyMap<string, ReadonlyMap<string, string>>

const SECTION = /^\[([^\]]*)\]$/
const ENTRY = /^([^=:]+?)\s*[=:]\s*(.*)$/

/**
 * Reads INI text as Python's `configparser` does for plain files: a line that is indented more than the key above it goes on
 * with the value of that key. Lines it cannot make out are passed over.
 */
function parseIni(text: string): Ini {
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

const REFERENCE = /%(?:%|\(([^)]+)\)s)/g
const MOST_NESTED = 10

/** The value of a key as Python's `configparser` expands it; a `%` by itself, which that refuses, stays what it is. */
function expanded(values: ReadonlyMap<string, string>, key: string): string | undefined {
  // The name may be a part of a password.
  const refused = (why: string) =>
    new InvalidParameterError(
      `In [mlflow] of the credentials file, ${key} has a %(…)s that ${why}; for a % as such write %%`,
    )
  function expand(text: string, depth: number): string {
    if (depth > MOST_NESTED) throw refused('refers to itself, or is nested too deep')
    return text.replace(REFERENCE, (_, name?: string) => {
      if (name === undefined) return '%'
      const value = values.get(name.toLowerCase())
      if (value === undefined) throw refused('names nothing that is there or in [DEFAULT]')
      return value.includes('%') ? expand(value, depth + 1) : value
    })
  }
  const value = values.get(key)
  return value === undefined ? undefined : expand(value, 1)
}

/**
 * User and password of MLflow's `~/.mlflow/credentials`; what it lacks is absent. As for Python's `configparser`, what
 * stands in `[DEFAULT]` holds for `[mlflow]` too, `%(name)s` is replaced by the value of that name and `%%` by a `%`;
 * throws `InvalidParameterError` for a name that is not there.
 */
export function mlflowCredentials(text: string): { username?: string; password?: string } {
  const sections = parseIni(text)
  const own = sections.get('mlflow')
  if (!own) return {}
  const values = new Map([...(sections.get('DEFAULT') ?? []), ...own])
  const [username, password] = ['username', 'password'].map((name) => expanded(values, `mlflow_tracking_${name}`))
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
