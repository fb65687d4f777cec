import { join } from 'node:path'
import { describe } from 'vitest'
import { fileTransport } from '../../../src/transport/file/file.js'
import { trackingContract } from '../../contract/transport.js'
import { tempDir } from '../../support/temp-dir.js'

describe('the local transport', () => {
  trackingContract(async () => ({ transport: fileTransport({ root: join(tempDir(), 'mlruns') }) }))
})
