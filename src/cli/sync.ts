import type { Command } from 'commander'
import type { Client, SyncOptions, SyncResult, SyncTally } from '../index.js'
import { bytesText } from './format.js'
import { fields } from './sections.js'
import { plain, type Terminal } from './terminal.js'
import { examples, several, type Work, word } from './word.js'

interface Options {
  readonly to?: string
  readonly dryRun?: true
  readonly experiment?: readonly string[]
  readonly run?: readonly string[]
  readonly deleted?: true
}

/** What delivering the spool came to. */
export interface Delivery {
  readonly value: unknown
  readonly text: string
  readonly whole: boolean
}

export interface SyncWordOptions {
  /** Called when something was not copied or delivered; the exit code is then 1. */
  readonly unwell: () => void
  /** Delivers what waits in the spool to where it was logged to; done when no path is given. */
  readonly deliver?: ((client: Client) => Promise<Delivery>) | undefined
}

const DEFAULT_PATH = './mlruns'

/** The word that copies a store into another, and delivers what waits. */
export function syncWord(program: Command, terminal: Terminal, { unwell, deliver }: SyncWordOptions): void {
  const sync = program
    .command('sync')
    .description(
      'Copy runs and models of a store to a server, or to another store; what is there already is not sent again',
    )
    .argument('[path]', `the store to copy, a folder or an address (default with --to: ${DEFAULT_PATH})`)
    .option('-t, --to <uri>', 'where to; default: the tracking URI')
    .option('--dry-run', 'only say what would be copied')
    .option('-e, --experiment <name>', 'only this experiment (may be repeated)', several)
    .option('-r, --run <id>', 'only this run (may be repeated)', several)
    .option('--deleted', 'deleted runs, too')
  examples(
    sync,
    'cairn-ml sync ./mlruns --to http://127.0.0.1:5000 --dry-run',
    'cairn-ml sync ./mlruns --to http://127.0.0.1:5000',
    'cairn-ml sync http://old:5000 --to http://new:5000 -e churn',
  )
  word<Options>(sync, terminal, async (work, path) => {
    const { client, options, answer } = work
    const source = path ?? (options.to === undefined ? undefined : DEFAULT_PATH)
    const delivery = path === undefined ? await deliver?.(client) : undefined
    const result = source === undefined && deliver ? undefined : await copy(work, source ?? DEFAULT_PATH)
    const value = delivery === undefined ? result : { ...result, spool: delivery.value }
    answer(value, () =>
      [delivery?.text, result && text(result, source ?? DEFAULT_PATH)].filter((part) => part).join('\n\n'),
    )
    if (result?.failed.length || delivery?.whole === false) unwell()
  })
}

async function copy({ client, options, terminal }: Work<Options>, source: string): Promise<SyncResult> {
  const rules: SyncOptions = {
    to: options.to,
    dryRun: options.dryRun,
    experimentNames: options.experiment,
    runIds: options.run,
    deleted: options.deleted,
    onProgress({ loaded, total = 0, file = '', points, bytes }) {
      const done = Math.round((20 * loaded) / Math.max(1, total))
      const bar = `[${'='.repeat(done)}${' '.repeat(20 - done)}]`
      terminal.progress(
        `${bar} ${loaded} of ${total}, ${points} points, ${bytesText(bytes)}  ${plain(file).slice(0, 24)}`,
      )
    },
  }
  try {
    return await client.sync(source, rules)
  } finally {
    terminal.progress('')
  }
}

function text(result: SyncResult, source: string): string {
  const { failed, kept, points, files, bytes, dryRun } = result
  const lines = [
    `${dryRun ? 'Would copy from' : 'Copied from'} ${plain(source)}`,
    fields(
      [
        ['experiments', tally(result.experiments)],
        ['runs', tally(result.runs)],
        ['logged models', tally(result.loggedModels)],
        ['registered models', tally(result.registeredModels)],
        ['model versions', tally(result.modelVersions)],
        ['points', String(points)],
        ['files', files === 0 ? '0' : `${files} (${bytesText(bytes)})`],
      ],
      '  ',
    ),
    ...kept.map((sentence) => plain(sentence)),
    ...failed.map(({ what, id, error }) => `NOT COPIED  ${what} ${plain(id)}: ${plain(error.message)}`),
  ]
  if (failed.length > 0) lines.push('All else was copied; run it again to go on.')
  return lines.join('\n')
}

const tally = ({ added, changed, same }: SyncTally): string =>
  added + changed + same === 0 ? 'none' : `${added} added, ${changed} changed, ${same} complete already`
