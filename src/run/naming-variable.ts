import { InvalidParameterError, NotFoundError } from '../errors.js'

/** A failure that a variable of the environment has led to, which says so: nothing in the script holds the value. */
export function namingVariable(variable: string, value: string, error: unknown): unknown {
  const Kind = [NotFoundError, InvalidParameterError].find((one) => error instanceof one)
  if (Kind === undefined) return error
  return new Kind(`${variable} is set to ${JSON.stringify(value)}: ${(error as Error).message}`, { cause: error })
}
