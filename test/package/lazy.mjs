// Importing the package loads none of the packages that cost more than all of ours.
import { register } from 'node:module'

const heavy = ['undici', 'zod', 'pino', 'fast-glob', 'tar', 'js-yaml', 'commander', 'hono', '@hono/node-server']
const hook = `export function resolve(name, context, next) {
  if (${JSON.stringify(heavy)}.includes(name)) throw new Error(name + ' is loaded by merely importing cairn-ml')
  return next(name, context)
}`
register(`data:text/javascript,${encodeURIComponent(hook)}`)
await import('cairn-ml')
