/** The errno of a file system error, also when it is the cause of one of ours. */
export function errno(error: unknown): string | undefined {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown }
  if (cause !== undefined) return errno(cause)
  return typeof code === 'string' ? code : undefined
}

const ABSENT = new Set(['ENOENT', 'ENOTDIR'])
/** Whether a file system error means that there is nothing at the path. */
export const isAbsent = (error: unknown): boolean => ABSENT.has(errno(error) ?? '')
