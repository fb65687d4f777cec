import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileTransport } from '../../../src/transport/file/file.js'
import { tempDir } from '../../support/temp-dir.js'
import { available } from '../servers.js'
import { type Dump, dump, settled } from './dump.js'
import { python, runPython } from './python.js'
import { spec } from './spec.js'
import { write } from './write.js'

/** What a database makes of numbers, by their bits: infinities become the largest double, -0 becomes 0. */
const NUMBERS: Record<string, string> = {
  '7ff0000000000000': '7fefffffffffffff',
  fff0000000000000: 'ffefffffffffffff',
  '8000000000000000': '0000000000000000',
}

/** A dump as it is after the way into a database: the migration reads line ends as Python does, histories have no order. */
function inDatabase(given: Dump): Dump {
  const sorted = (history: unknown[]) => [...history].sort((a, b) => (String(a) < String(b) ? -1 : 1))
  const revived = JSON.parse(JSON.stringify(given), (key, value) => {
    if (typeof value === 'string') return NUMBERS[value] ?? value.replaceAll(/\r\n?/g, '\n')
    // Its search answers versions without their aliases.
    return key === 'aliases' && Array.isArray(value) ? [] : value
  }) as Dump
  for (const run of Object.values(revived.runs))
    run.histories = Object.fromEntries(
      Object.entries(run.histories as Record<string, unknown[]>).map(([key, history]) => [key, sorted(history)]),
    )
  return revived
}

describe.skipIf(!available('latest'))('mlflow migrate-filestore', () => {
  it('takes a store of ours into a database, and finds everything', async () => {
    const root = join(tempDir(), 'mlruns')
    const database = `sqlite:///${join(tempDir(), 'mlflow.db')}`
    await write(fileTransport({ root }), spec(true))
    await runPython('latest', ['-m', 'mlflow', 'migrate-filestore', '--source', root, '--target', database])
    const found = settled(await python<Dump>('latest', 'dump.py', database))
    expect(inDatabase(found)).toEqual(inDatabase(await dump(fileTransport({ root }))))
  })
})
