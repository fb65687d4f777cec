/** What ids a model's files name, and what they are to name at the target. */
export interface Renames {
  /** Ids in the source → ids in the target. */
  readonly ids: ReadonlyMap<string, string>
  /** Where the files lie in the source, and at the target. */
  readonly place: readonly [string, string]
}

/** Whether a path is that of a model's description. */
export const isMlModel = (path: string): boolean => path === 'MLmodel' || path.endsWith('/MLmodel')

/**
 * The text of an MLmodel with run, model and place as they are at the target; all else stays byte for byte. Only the
 * fields at the top level are touched, so whatever else a flavor writes is its own.
 */
export function renamedMlModel(text: string, { ids, place: [from, to] }: Renames): string {
  const rename = (line: string, key: string, value: string): string => {
    const plain = value.replace(/^(['"])(.*)\1$/, '$2')
    if (key === 'artifact_path')
      return plain === from || plain.startsWith(`${from}/`)
        ? `${key}: '${(to + plain.slice(from.length)).replaceAll("'", "''")}'`
        : line
    const id = ids.get(plain)
    // Quoted: an id like 123e45 would be read as a number.
    return id === undefined ? line : `${key}: '${id}'`
  }
  return text.replace(/^(run_id|model_id|model_uuid|artifact_path): (.*?)(?=\r?$)/gm, rename)
}
