import {
  DUMP_SCHEMA,
  defineScalarTag,
  dump,
  FAILSAFE_SCHEMA,
  floatYaml11Tag,
  intYaml11Tag,
  load,
  NOT_RESOLVED,
  nullYaml11Tag,
} from 'js-yaml'
import { IntegrityError } from '../errors.js'

/** Largest YAML text that is read, in characters; a model with 10,000 columns stays below it. */
export const YAML_LIMIT = 1024 * 1024
const DEPTH_LIMIT = 64
/** Lines and entries of flow collections in one file, so that a hostile one costs tenths of a second at the most. */
const ENTRIES_LIMIT = 20_000
const OPENS_QUOTE = /^ *[\w.-]+: (['"])/
const REST_OF_QUOTE = {
  "'": /[^']*(?:''[^']*)*' *(?:\n|$)/y,
  '"': /[^"\\]*(?:\\[\s\S][^"\\]*)*" *(?:\n|$)/y,
}
/** Other quotes, and the head of a block of text: what follows may look like a quoted value and be none. */
const MAY_HIDE = /['"]|[|>][-+\d]*[ \t]*(?:#.*)?$/

// PyYAML writes `y` and `n` bare and reads them as text, which is not what YAML 1.1 says of them.
const WORDS: Readonly<Record<string, boolean>> = {
  yes: true,
  true: true,
  on: true,
  no: false,
  false: false,
  off: false,
}
const CASED = /^(?:[a-z]+|[A-Z][a-z]+|[A-Z]+)$/
const pythonBool = defineScalarTag<boolean>('tag:yaml.org,2002:bool', {
  implicit: true,
  resolve: (source) => (CASED.test(source) ? (WORDS[source.toLowerCase()] ?? NOT_RESOLVED) : NOT_RESOLVED),
  identify: (data) => typeof data === 'boolean',
})

const TEXT = FAILSAFE_SCHEMA.withTags(nullYaml11Tag)
const TYPED = FAILSAFE_SCHEMA.withTags(nullYaml11Tag, pythonBool, intYaml11Tag, floatYaml11Tag)

const entriesIn = (text: string): number => text.match(/[\r\n,[{]/g)?.length ?? 0

/**
 * Of how many things the parser may have to make entries: it has no limit of its own for them, and reads all of a text
 * first. A signature is one quoted value of JSON, whose commas and brackets are none of them.
 */
function countEntries(text: string): number {
  let count = 0
  for (let at = 0; at < text.length && count <= ENTRIES_LIMIT; ) {
    const newline = text.indexOf('\n', at)
    const next = newline < 0 ? text.length : newline + 1
    const line = text.slice(at, next)
    const [head = '', quote] = OPENS_QUOTE.exec(line) ?? []
    if (quote === undefined) {
      if (MAY_HIDE.test(line.trimEnd())) return entriesIn(text)
      count += entriesIn(line)
      at = next
    } else {
      const rest = REST_OF_QUOTE[quote as "'" | '"']
      rest.lastIndex = at + head.length
      if (!rest.test(text)) return entriesIn(text)
      count++
      at = rest.lastIndex
    }
  }
  return count
}

function read(text: string, what: string, schema: typeof TEXT): unknown {
  if (text.length > YAML_LIMIT)
    throw new IntegrityError(`${what} has ${text.length} characters; YAML files over ${YAML_LIMIT} are not read`)
  if (text.length > ENTRIES_LIMIT && countEntries(text) > ENTRIES_LIMIT)
    throw new IntegrityError(`${what} has over ${ENTRIES_LIMIT} lines and entries, more than any file of MLflow's`)
  try {
    return load(text, { schema, maxDepth: DEPTH_LIMIT, maxAliases: 100 })
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new IntegrityError(`${what} is not readable YAML: ${reason}`, { cause: error })
  }
}

/** Reads YAML with every scalar as text and only `null` resolved: ids that look like numbers stay as written. */
export const readYamlText = (text: string, what: string): unknown => read(text, what, TEXT)

/** Reads YAML with null, booleans and numbers as PyYAML resolves them; dates stay text. */
export const readYaml = (text: string, what: string): unknown => read(text, what, TYPED)

// A step past 2^53 is a bigint, and written as any whole number.
const int = DUMP_SCHEMA.tags.find(({ tagName }) => tagName === intYaml11Tag.tagName) as typeof intYaml11Tag
const WRITTEN = DUMP_SCHEMA.withTags({
  ...int,
  identify: (data) => typeof data === 'bigint' || int.identify(data),
  represent: String,
})

const written = (value: unknown): string =>
  dump(value, { schema: WRITTEN, sortKeys: true, noRefs: true, seqNoIndent: true, lineWidth: -1 })

/** Writes block YAML with sorted keys; whatever YAML 1.1 or 1.2 would not read back as the same text is quoted. */
export function writeYaml(value: unknown): string {
  const text = written(value)
  // Half an emoji is read back by Python as a text that it cannot write anywhere: U+FFFD stands for it.
  return /\\uD[89A-F]/.test(text) ? written(wellFormed(value)) : text
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed()
  if (Array.isArray(value)) return value.map(wellFormed)
  if (value === null || typeof value !== 'object' || ![null, Object.prototype].includes(Object.getPrototypeOf(value)))
    return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key.toWellFormed(), wellFormed(item)]))
}
