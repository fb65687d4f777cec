import { InvalidParameterError } from '../errors.js'
import { isRecord } from './options.js'
import { describe } from './whole-json.js'

/** Params or tags, as MLflow lists them. */
export type Pairs = readonly { readonly key: string; readonly value?: string | undefined }[]

/** MLflow's list of pairs as a record. */
export const toRecord = (pairs: Pairs): Record<string, string> =>
  Object.fromEntries(pairs.map(({ key, value = '' }) => [key, value]))

/** MLflow's list of pairs, for looking up many of them. */
export const toMap = (pairs: Pairs): Map<string, string> => new Map(pairs.map(({ key, value = '' }) => [key, value]))

/** The value that a key has in MLflow's list of pairs. */
export const valueIn = (pairs: Pairs | undefined, key: string): string | undefined =>
  pairs?.find((pair) => pair.key === key)?.value

/** A record as MLflow's list of pairs, by the text of each value; what has no value is left out. */
export const toPairs = (
  record: Readonly<Record<string, unknown>>,
  textOf: (key: string, value: unknown) => string = (_, value) => String(value),
): { key: string; value: string }[] => present(record).map(([key, value]) => ({ key, value: textOf(key, value) }))

/** Refuses what is no record of keys and values: of a Map or a promise nothing would be kept, of pairs the keys "0", "1", …. */
export function checkRecord(record: unknown): void {
  if (isRecord(record)) return
  throw new InvalidParameterError(
    `Several metrics, params or tags are given as one object, { key: value, … }, not ${describe(record)}`,
  )
}

/** The entries of a record that have a value; `null` and `undefined` are left out. */
export function present(record: Readonly<Record<string, unknown>>): [string, unknown][] {
  checkRecord(record)
  return Object.entries(record).filter(([, value]) => value !== undefined && value !== null)
}
