import { fileURLToPath } from 'node:url'
import { exists } from '../disk/write.js'

/**
 * The file that a thread of ours runs, at the place that `locate` names beside its own code; undefined where it is not to be
 * had, as in sources, which a thread cannot run, and behind a bundler that left it out.
 */
export function workerFile(locate: () => URL): URL | undefined {
  try {
    const url = locate()
    return url.protocol === 'file:' && exists(fileURLToPath(url)) ? url : undefined
  } catch {
    return undefined
  }
}
