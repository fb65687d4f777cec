/** MLflow's list of pairs as a record. */
export const toRecord = (pairs: readonly { key: string; value: string }[]): Record<string, string> =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, value]))

/** A record as MLflow's list of pairs; `undefined` stays so. */
export const toPairs = (record: Readonly<Record<string, string>> | undefined) =>
  record && Object.entries(record).map(([key, value]) => ({ key, value: String(value) }))
