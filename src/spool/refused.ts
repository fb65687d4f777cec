import { Buffer } from 'node:buffer'
import { basename, join } from 'node:path'
import { appendBytes, closeLog } from '../disk/log-file.js'
import { move } from '../disk/write.js'
import type { CairnError } from '../errors.js'

/** Sets aside what a server refused, with its reason, one line of JSON each, for a person to read. */
export function setAside(serverDir: string, runId: string, error: CairnError, what: readonly unknown[]): void {
  const file = join(serverDir, 'refused', `${runId.replace(/[^\w-]/g, '_')}.jsonl`)
  const time = new Date().toISOString()
  const { code, status, message: reason } = error
  const lines = what.map((entry) => `${JSON.stringify({ time, runId, reason, code, status, entry }, readable)}\n`)
  try {
    appendBytes(file, Buffer.from(lines.join('')), true)
    closeLog(file)
  } catch {
    // A full disk: the refusal is counted and reported all the same.
  }
}

/** Keeps a file or folder that a server refused, beside what is said of it; answers where. */
export function keepAside(serverDir: string, runId: string, path: string): string {
  const name = `${Date.now()}-${basename(path)}`
  const kept = join(serverDir, 'refused', `${runId.replace(/[^\w-]/g, '_')}-files`, name)
  try {
    move(path, kept)
  } catch {
    // Not there any more, or the disk refuses: the refusal is counted and reported all the same.
  }
  return kept
}

const readable = (_: string, value: unknown): unknown => {
  if (typeof value === 'bigint') return String(value)
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}
