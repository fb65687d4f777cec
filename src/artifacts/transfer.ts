import type { Progress } from '../core/entities.js'

/** How files are carried to or from a store. */
export interface CopyOptions {
  /** Files in flight at once, a whole number from 1 or `Infinity`; 8 unless said. */
  readonly concurrency?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Hears how far the bytes are. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}
