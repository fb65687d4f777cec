/** Takes what must not be shown out of text that a server sent back. */
export interface Redactor {
  /** A value to hide from now on: a header's value, a password. */
  add(secret: string): void
  hide(text: string): string
}

/** Too short to be a secret that anyone could tell from ordinary words. */
const SHORTEST = 4
/** Where it may also be a name. */
const SHORTEST_TOKEN = 12

/** As Python writes it in JSON. */
const ascii = (text: string): string =>
  JSON.stringify(text)
    .slice(1, -1)
    .replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** As it stands in an address; a text that is no whole Unicode cannot. */
function percent(text: string): string {
  try {
    return encodeURIComponent(text)
  } catch {
    return text
  }
}

/** Hides each value that was added, as it may be written in an answer, and its parts (of `Basic …` the password, or a user name that may be a token where there is none). */
export function redactor(): Redactor {
  const known = new Set<string>()
  const seen = new Set<string>()
  const learn = (text: string) => {
    if (text.length < SHORTEST) return
    for (const form of [text, JSON.stringify(text).slice(1, -1), ascii(text), percent(text)]) known.add(form)
  }
  return {
    add(secret) {
      if (seen.has(secret)) return
      // A function of the user's may sign every request anew: only the newest values can come back.
      if (seen.size > 256) {
        seen.clear()
        known.clear()
      }
      seen.add(secret)
      learn(secret)
      const [, scheme, value] = /^(\w+) +(\S.*)$/.exec(secret) ?? []
      if (value) learn(value)
      if (!value || !/^basic$/i.test(scheme ?? '')) return
      const [, username = '', password] = /^([^:]*):?(.*)$/s.exec(Buffer.from(value, 'base64').toString('utf8')) ?? []
      // A token may stand where the user's name does; a name is a word, that messages are full of.
      if (password || username.length >= SHORTEST_TOKEN) learn(password || username)
    },
    hide(text) {
      let hidden = text
      for (const secret of known) hidden = hidden.replaceAll(secret, '[hidden]')
      return hidden
    },
  }
}
