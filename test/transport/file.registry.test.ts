import { fileTransport } from '../../src/transport/file/file.js'
import { loggedModelContract, registryContract } from '../contract/transport-registry.js'
import { tempDir } from '../support/temp-dir.js'

const make = async () => ({ transport: fileTransport({ root: tempDir() }) })

registryContract(make)
loggedModelContract(make)
