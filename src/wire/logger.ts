import { createRequire } from 'node:module'
import { onceFor } from '../core/remembered.js'
import { LOG_LEVELS } from '../settings.js'

/** Where lines for people go: anything that looks like pino. */
export interface Logger {
  /** What only someone looking for a fault wants to see. */
  debug(message: string): void
  /** What went as it should. */
  info(message: string): void
  /** What someone should know and nothing broke on. */
  warn(message: string): void
  /** What went wrong. */
  error(message: string): void
}

/** A line of pino's as a person reads it: `cairn: warning: …`. */
export function inWords(line: string): string {
  const { level, msg } = JSON.parse(line) as { level: number; msg: string }
  const kind = level >= 50 ? 'error: ' : level >= 40 ? 'warning: ' : ''
  return `cairn: ${kind}${msg}\n`
}

const made = new Map<string, Logger>()

/** The logger of all clients without one of their own that tell as much. */
export const defaultLogger = (level: string): Logger => onceFor(made, level, () => lazyLogger(level))

/** Pino on standard error, loaded with the first line that is written: words on a terminal, JSON lines elsewhere. */
function lazyLogger(level: string): Logger {
  let pino: Logger | undefined
  const load = () => {
    const make = createRequire(import.meta.url)('pino') as typeof import('pino').default
    const { stderr } = process
    const terminal = { write: (line: string) => void stderr.write(inWords(line)) }
    return make({ name: 'cairn', level }, stderr.isTTY ? terminal : make.destination({ dest: 2, sync: true }))
  }
  const at = (of: keyof Logger) => (message: string) => {
    if (LOG_LEVELS.indexOf(of) < LOG_LEVELS.indexOf(level)) return
    try {
      pino ??= load()
      pino[of](message)
    } catch {
      // No file can be opened any more, say: a line must not be what ends a training.
      process.stderr.write(`cairn: ${message}\n`)
    }
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
