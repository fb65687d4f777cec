export type { Operation } from '../transport/protocol.js'
export type { Fault, Faults } from './faults.js'
export { startTestServer, type TestRequest, type TestServer, type TestServerOptions } from './test-server.js'
