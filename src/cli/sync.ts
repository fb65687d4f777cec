import type { Command } from 'commander'
import type { SpoolDelivery, SyncOptions, SyncResult, SyncTally } from '../index.js'
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

const DEFAULT_PATH = './mlruns'

/** The word that copies a store into another, and delivers what waits; exit code 1 when something did not arrive. */
export function syncWord(program: Command, terminal: Terminal, unwell: () => void): void {
  const sync = program
    .command('sync')
    .description('Deliver what waits on this machine for its servers; or copy a store, runs and models, to another')
    .argument('[path]', `the store to copy, a folder or an address (with --to alone: ${DEFAULT_PATH})`)
    .option('-t, --to <uri>', 'where to; default: the tracking URI')
    .option('--dry-run', 'only say what would be copied')
    .option('-e, --experiment <name>', 'only this experiment (may be repeated)', several)
    .option('-r, --run <id>', 'only this run (may be repeated)', several)
    .option('--deleted', 'deleted runs, too')
  examples(
    sync,
    'cairn-ml sync',
    'cairn-ml sync ./mlruns --to http://127.0.0.1:5000 --dry-run',
    'cairn-ml sync ./mlruns --to http://127.0.0.1:5000',
    'cairn-ml sync http://old:5000 --to http://new:5000 -e churn',
  )
  word<Options>(sync, terminal, async (work, path) => {
    const { options, answer } = work
    const source = path ?? (options.to === undefined ? undefined : DEFAULT_PATH)
    const delivered = path === undefined && !options.dryRun ? await deliver(work) : undefined
    const result = source === undefined && delivered ? undefined : await copy(work, source ?? DEFAULT_PATH)
    answer({ ...result, ...(delivered ? { spool: delivered } : {}) }, () =>
      [delivered && deliveredText(delivered), result && copiedText(result, source ?? DEFAULT_PATH)]
        .filter((part) => part !== undefined)
        .join('\n\n'),
    )
    if (result?.failed.length || delivered?.some((one) => !isDone(one))) unwell()
  })
}

const isDone = ({ complete, busy, refused }: SpoolDelivery): boolean => (complete || busy) && refused === 0

/** Sends what processes that are gone have left in the spool, each run to its server. */
async function deliver({ client, terminal }: Work<Options>): Promise<SpoolDelivery[]> {
  try {
    return await client.deliverSpool({
      onProgress: ({ runId, delivered }) => terminal.progress(`Delivering ${plain(runId)}: ${delivered}`),
    })
  } finally {
    terminal.progress('')
  }
}

function deliveredText(all: readonly SpoolDelivery[]): string {
  if (all.length === 0) return 'Nothing waits to be delivered.'
  return all
    .map(({ runId, serverRunId, server, complete, busy, delivered, refused, refusals }) => {
      const run = `run ${plain(serverRunId ?? runId)} at ${plain(server)}`
      if (busy) return `left alone   ${run}: a process that lives delivers it`
      const why = refusals.map((error) => `; ${plain(error.message)}`).join('')
      const rest = refused > 0 ? `, ${refused} refused${why}` : ''
      return `${complete ? 'delivered   ' : 'NOT FINISHED'} ${run}: ${delivered} entries${rest}`
    })
    .join('\n')
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

function copiedText(result: SyncResult, source: string): string {
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
