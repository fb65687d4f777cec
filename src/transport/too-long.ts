import { lengthOf } from '../core/names.js'
import { CairnError, InvalidParameterError, reworded } from '../errors.js'

/** How PostgreSQL and MySQL refuse a text that SQLite takes. MLflow hands that on with the whole statement. */
const NO_ROOM = /value too long for type character varying\((\d+)\)|Data too long for column '(\w+)'/

const ours = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())

/** A database's refusal of a text that is too long for its column, told by what was sent; any other error as it is. */
export function tellingTooLong(error: unknown, input: object): unknown {
  if (!(error instanceof CairnError)) return error
  const [found, most, column] = NO_ROOM.exec(error.message) ?? []
  if (found === undefined) return error
  const said = most ? limited(Number(most), input) : `${NONE} for ${ours(column ?? '')}; shorten it`
  return reworded(error, said, { as: InvalidParameterError })
}

const NONE = "The server's database has not enough room"

function limited(most: number, input: object): string {
  const longer = [...textsOf(input, '')]
    .map(([name, text]) => [name, lengthOf(text)] as const)
    .filter(([, length]) => length > most)
  // Of which column it speaks PostgreSQL does not say.
  const columns = new Set(longer.map(([name]) => name.slice(name.lastIndexOf('.') + 1)))
  const said = longer.map(([name, length]) => `${name} has ${length}`).join(', ')
  return longer.length > 0
    ? `${NONE}${columns.size > 1 ? ' for one of these' : ''}: ${said} characters where at most ${most} fit; shorten it`
    : `${NONE}: what the server makes of this has more than the ${most} characters that fit; a run's artifacts lie below the artifactLocation of its experiment, so a shorter one may help`
}

function* textsOf(value: unknown, name: string): Generator<readonly [name: string, text: string]> {
  if (typeof value === 'string') yield [name, value]
  else if (Array.isArray(value))
    for (const [index, one] of value.entries()) yield* textsOf(one, `${name}[${one?.key ?? index}]`)
  else if (typeof value === 'object' && value !== null)
    for (const [key, one] of Object.entries(value))
      yield* textsOf(one, name === '' ? ours(key) : `${name}.${ours(key)}`)
}
