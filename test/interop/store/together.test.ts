import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nodeWriter, type StartWriter, writeTogether } from '../../soak/writers.js'
import { recordFault } from '../../support/fault-line.js'
import { tempDir } from '../../support/temp-dir.js'
import { GENERATIONS, runPython, scriptPath } from './python.js'
import { watcher } from './watcher.js'

describe.each(GENERATIONS)('Node and MLflow "%s", writing one store together,', (environment) => {
  const python: StartWriter = (args) => runPython(environment, [scriptPath('writer.py'), ...args])

  it('lose nothing: runs, points of a shared run, versions of a model', { timeout: 600_000 }, async () => {
    const root = join(tempDir(), 'mlruns')
    const writers = [nodeWriter, python, nodeWriter, python, nodeWriter]
    await writeTogether(root, writers, { runs: 20, points: 5, versions: 6 })
    const look = watcher(environment)
    const seen = await look.look(root)
    look.close()
    recordFault({ logged: 100, arrived: seen.points['shared shared'] ?? 0 })
    expect(seen.runs).toHaveLength(101)
    expect(seen.versions).toHaveLength(30)
    expect(seen.points['shared shared']).toBe(100)
  })
})
