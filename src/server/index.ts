export type { BodyLimits } from './body.js'
export { type RunningServer, type ServerOptions, startServer } from './start.js'
