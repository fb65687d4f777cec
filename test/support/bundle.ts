import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const ESBUILD = join(import.meta.dirname, '..', '..', 'node_modules', '.bin', 'esbuild')

/** Whether there is a bundler here: one comes with what builds the library. */
export const hasBundler = existsSync(ESBUILD)

/** Makes one file of a module and all that it imports, as a user's bundler does; optional packages stay apart. */
export function bundle(entry: string, out: string, ...how: string[]): void {
  const apart = ['onnxruntime-node', 'sharp', '@tensorflow/*'].map((name) => `--external:${name}`)
  const options = ['--bundle', '--platform=node', '--log-level=error', `--outfile=${out}`, ...apart, ...how]
  execFileSync(ESBUILD, [entry, ...options], { stdio: 'pipe' })
}
