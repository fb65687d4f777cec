import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const ESBUILD = join(import.meta.dirname, '..', '..', 'node_modules', '.bin', 'esbuild')

/** Whether there is a bundler here: one comes with what builds the library. */
export const hasBundler = existsSync(ESBUILD)

const APART = ['onnxruntime-node', 'sharp', '@tensorflow/*'].map((name) => `--external:${name}`)

/** Makes one file of a module and all that it imports, as a user's bundler does; optional packages stay apart. */
export const bundle = (entry: string, out: string, ...how: string[]): string => bundleAll(entry, out, ...APART, ...how)

/** As `bundle`, with the optional packages that are found; answers what the bundler said. */
export function bundleAll(entry: string, out: string, ...how: string[]): string {
  const options = ['--bundle', '--platform=node', '--log-level=warning', `--outfile=${out}`, ...how]
  return execFileSync(ESBUILD, [entry, ...options], { stdio: 'pipe', encoding: 'utf8' })
}
