import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** A fresh directory for one test; those made by a file are removed when all its tests are through. */
export function tempDir(): string {
  const dir = mkdtempSync(join(realpathSync(tmpdir()), 'cairn-test-'))
  made.push(dir)
  return dir
}

const made: string[] = []
afterAll(() => {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true })
})
