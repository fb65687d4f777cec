import { InvalidParameterError, NotFoundError, reworded } from '../errors.js'

/** A failure that a variable of the environment has led to, which says so: nothing in the script holds the value. */
export function namingVariable(variable: string, value: string, error: unknown): unknown {
  if (!(error instanceof NotFoundError || error instanceof InvalidParameterError)) return error
  return reworded(error, `${variable} is set to ${JSON.stringify(value)}: ${error.message}`)
}
