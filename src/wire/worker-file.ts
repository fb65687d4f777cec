import { fileURLToPath } from 'node:url'
import { exists } from '../disk/write.js'

/** The file that the delivering thread runs; undefined where it is not to be had, as behind a bundler that left it out. */
export function workerFile(): URL | undefined {
  try {
    // A thread of its own has no loader for TypeScript.
    if (import.meta.url.endsWith('.ts')) return undefined
    const url = new URL('./spool-worker.js', import.meta.url)
    return url.protocol === 'file:' && exists(fileURLToPath(url)) ? url : undefined
  } catch {
    return undefined
  }
}
