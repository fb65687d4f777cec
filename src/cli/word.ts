import { type Command, InvalidArgumentError } from 'commander'
import type { Client } from '../index.js'
import { jsonText } from './format.js'
import type { Terminal } from './terminal.js'

/** What every word takes. */
export interface CommonOptions {
  readonly json?: true
  readonly trackingUri?: string
  readonly registryUri?: string
}

/** What a word is given to do its work. */
export interface Work<Options> {
  readonly client: Client
  readonly options: Options & CommonOptions
  readonly terminal: Terminal
  /** Prints the one answer: as JSON with `--json`, else as `text` says it. */
  answer(value: unknown, text: () => string): void
}

/** How long a server that does not answer is tried again: a person waits, not a training that has minutes. */
const PATIENCE_MS = 10_000

/** Gives a word the options that all have, and what it does with a client of its own. */
export function word<Options>(
  command: Command,
  terminal: Terminal,
  act: (work: Work<Options>, ...args: string[]) => Promise<void>,
): Command {
  return command
    .option('--tracking-uri <uri>', 'a folder or the address of a server (default: MLFLOW_TRACKING_URI, else ./mlruns)')
    .option('--registry-uri <uri>', 'where models are registered (default: MLFLOW_REGISTRY_URI, else the tracking URI)')
    .option('--json', 'answer as JSON')
    .action(async (...given: unknown[]) => {
      const options = command.opts<Options & CommonOptions>()
      const args = given.filter((arg) => typeof arg === 'string')
      // Loaded here, so that --help and --version need none of it.
      const { createClient } = await import('../index.js')
      const { trackingUri, registryUri } = options
      const client = createClient({ trackingUri, registryUri, retry: { budgetMs: PATIENCE_MS } })
      const answer: Work<Options>['answer'] = (value, text) => terminal.out(options.json ? jsonText(value) : text())
      try {
        await act({ client, options, terminal, answer }, ...args)
      } finally {
        await client.close()
      }
    })
}

/** Examples below the help of a word. */
export const examples = (command: Command, ...lines: readonly string[]): Command =>
  command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`)

/** Reads a whole number from 1. */
export function parseCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number from 1.')
}

/** Collects an option that may be given several times. */
export const several = (text: string, before: readonly string[] = []): string[] => [...before, text]
