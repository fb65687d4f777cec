/** Percent-encoded text as it reads; undefined where an escape is none. */
export function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
