export type { BodyLimits } from './body.js'
export type { ListenOptions } from './listen.js'
export { type RunningServer, type ServerOptions, startServer } from './start.js'
