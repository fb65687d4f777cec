import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileTransport } from '../../../src/transport/file/file.js'
import { tempDir } from '../../support/temp-dir.js'
import { available } from '../servers.js'
import { type Dump, dump, settled } from './dump.js'
import { python, runPython } from './python.js'
import { spec } from './spec.js'
import { write } from './write.js'

describe.skipIf(!available('latest'))('mlflow migrate-filestore', () => {
  it('takes a store of ours into a database, and finds everything', async () => {
    const root = join(tempDir(), 'mlruns')
    const database = `sqlite:///${join(tempDir(), 'mlflow.db')}`
    await write(fileTransport({ root }), spec(true))
    await runPython('latest', ['-m', 'mlflow', 'migrate-filestore', '--source', root, '--target', database])
    const found = settled(await python<Dump>('latest', 'dump.py', database))
    expect(found).toEqual(await dump(fileTransport({ root })))
  })
})
