import { type Command, InvalidArgumentError } from 'commander'
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
    .argument('[path]', `the store to copy, a folder or an address (with --to alone: ${DEFAULT_PATH})`, parseStore)
    .option('-t, --to <uri>', 'where to; default: the tracking URI', parseStore)
    .option('--dry-run', 'only say what would be copied')
    .option('-e, --experiment <name>', 'only this experiment (may be repeated)', several)
    .option('-r, --run <id>', 'only this run (may be repeated)', several)
    .option('--deleted', 'deleted runs, too')
  examples(
    sync,
    'cairn-ml sync',
    'cairn-ml sync --dry-run',
    'cairn-ml sync ./mlruns --to http://127.0.0.1:5000 --dry-run',
    'cairn-ml sync ./mlruns --to http://127.0.0.1:5000',
    'cairn-ml sync http://old:5000 --to http://new:5000 -e churn',
  )
  word<Options>(sync, terminal, async (work, path) => {
    const { options, answer } = work
    const nonsense = path === undefined ? copyOnly(options) : await lackingTarget(work, path)
    if (nonsense) sync.error(`error: ${nonsense}`)
    const source = path ?? (options.to === undefined ? undefined : DEFAULT_PATH)
    const delivered = path === undefined ? await deliver(work) : undefined
    const result = source === undefined ? undefined : await copyOrNothing(work, source, path === undefined)
    answer({ ...result, ...(delivered ? { spool: delivered } : {}) }, () =>
      [
        delivered && (options.dryRun ? waitingText(delivered) : deliveredText(delivered)),
        result && copiedText(result),
        source !== undefined && !result && `There is no ${source} here to copy.`,
      ]
        .filter((part) => part)
        .join('\n\n'),
    )
    if (result?.failed.length || (!options.dryRun && delivered?.some((one) => !isDone(one)))) unwell()
  })
}

function parseStore(text: string): string {
  if (text.trim() !== '') return text
  throw new InvalidArgumentError('It must be a folder or an address, like ./mlruns or http://127.0.0.1:5000.')
}

/** What is wrong with words that choose what to copy and name nothing to copy: all that waits would be delivered. */
function copyOnly({ experiment, run, deleted }: Options): string | undefined {
  const given = run ? '-r, --run' : experiment ? '-e, --experiment' : deleted && '--deleted'
  return (
    given &&
    `${given} chooses what is copied, and there is nothing to copy: give the path or address of a store, like ${DEFAULT_PATH}`
  )
}

async function lackingTarget({ client, options: { to } }: Work<Options>, path: string): Promise<string | undefined> {
  if (to !== undefined) return undefined
  const { createClient } = await import('../index.js')
  await using source = createClient({ trackingUri: path })
  if (source.getTrackingUri() !== client.getTrackingUri()) return undefined
  return `${plain(path)} cannot be copied into itself: say where to with --to <uri>, or set MLFLOW_TRACKING_URI to it`
}

const isDone = ({ complete, busy, refused, refusals }: SpoolDelivery): boolean =>
  (complete || busy) && refused + refusals.length === 0

/** Of a folder of which it is not known what waits there. */
const hiddenText = (dir: string, reason: Error | undefined): string =>
  `NOT FINISHED ${plain(dir)}: ${plain(reason?.message ?? '')}; to give it up, remove the folder`

/** Sends what processes that are gone have left in the spool, each run to its server. */
async function deliver({ client, options: { dryRun }, terminal }: Work<Options>): Promise<SpoolDelivery[]> {
  try {
    return await client.deliverSpool({
      dryRun,
      onProgress: ({ runId, delivered, total }) =>
        terminal.progress(`${bar(delivered, total)} ${delivered} of ${total} entries of run ${plain(runId)}`),
    })
  } finally {
    terminal.progress('')
  }
}

/** A text that grows with what is done. */
function bar(done: number, total: number): string {
  const width = Math.min(20, Math.round((20 * done) / Math.max(1, total)))
  return `[${'='.repeat(width)}${' '.repeat(20 - width)}]`
}

/** Of a run whose process was killed when all that it had logged had arrived. */
const NOTHING_LEFT = 'nothing is left to deliver'

/** Another container's process is known by its signs alone. */
const IN_HANDS = 'a process that lives, or gave a sign of life in the last 5 minutes, delivers it'

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`

const at = ({ server, workspace }: Pick<SpoolDelivery, 'server' | 'workspace'>): string =>
  `${plain(server)}${workspace === undefined ? '' : ` (workspace ${plain(workspace)})`}`

function waitingText(all: readonly SpoolDelivery[]): string {
  if (all.length === 0) return 'Nothing waits to be delivered.'
  return all
    .map(({ runId, serverRunId, dir, busy, waiting, reason, ...where }) => {
      if (where.server === '') return hiddenText(dir, reason)
      const { entries = 0, begins, ends, files = 0, models = [] } = waiting ?? {}
      const own = [begins && 'its start', ends && 'its end'].filter((one) => one)
      const named = models.map(
        ({ name, registeredModelName: as }) =>
          `the model ${plain(name)}${as === undefined ? '' : ` (to be ${plain(as)})`}`,
      )
      const all = entries === own.length ? `only ${own.join(' and ')}` : counted(entries, 'entry', 'entries')
      const parts = [all, files > 0 && counted(files, 'file', 'files'), ...named]
      const what = entries === 0 ? NOTHING_LEFT : parts.filter((part) => part).join(', ')
      const place = `run ${plain(serverRunId ?? runId)} at ${at(where)}${serverRunId === undefined ? ', to be made' : ''}`
      return `${busy ? 'left alone  ' : 'waits       '} ${place}: ${busy ? `${IN_HANDS} (${what})` : what}`
    })
    .join('\n')
}

function deliveredText(all: readonly SpoolDelivery[]): string {
  if (all.length === 0) return 'Nothing waits to be delivered.'
  return all
    .map(({ runId, serverRunId, dir, complete, busy, delivered, refused, refusals, reason, ...where }) => {
      if (where.server === '') return hiddenText(dir, reason)
      const run = `run ${plain(serverRunId ?? runId)} at ${at(where)}`
      if (busy) return `left alone   ${run}: ${IN_HANDS}`
      const causes = refusals.map((error) => `; ${plain(error.message)}`).join('')
      const rest = `${refused > 0 ? `, ${refused} refused` : ''}${causes}`
      const why = reason ? `; ${plain(reason.message)}` : ''
      const left = complete ? '' : `${why}; to give up what is left, remove ${plain(dir)}`
      const what =
        complete && delivered + refused + refusals.length === 0 ? NOTHING_LEFT : counted(delivered, 'entry', 'entries')
      return `${complete ? 'delivered   ' : 'NOT FINISHED'} ${run}: ${what}${rest}${left}`
    })
    .join('\n')
}

/** A folder that nobody named need not be there. */
async function copyOrNothing(work: Work<Options>, source: string, isDefault: boolean): Promise<SyncResult | undefined> {
  const { NotFoundError } = await import('../index.js')
  try {
    return await copy(work, source)
  } catch (error) {
    if (!isDefault || !(error instanceof NotFoundError)) throw error
    return undefined
  }
}

async function copy({ client, options, terminal }: Work<Options>, source: string): Promise<SyncResult> {
  const rules: SyncOptions = {
    to: options.to,
    dryRun: options.dryRun,
    experimentNames: options.experiment,
    runIds: options.run,
    deleted: options.deleted,
    onProgress({ loaded, total = 0, file = '', points, bytes }) {
      terminal.progress(
        `${bar(loaded, total)} ${loaded} of ${total}, ${points} points, ${bytesText(bytes)}  ${plain(file).slice(0, 24)}`,
      )
    },
  }
  try {
    return await client.sync(source, rules)
  } finally {
    terminal.progress('')
  }
}

const AGAIN = 'All else was copied; run it again to go on.'
/** Names that another try would fare no better with. */
const LASTING = new Set(['UnsafePathError', 'AlreadyExistsError'])
const ONLY_NAMES = 'All else was copied.'

function copiedText(result: SyncResult): string {
  const { from, to, failed, kept, points, files, bytes, dryRun } = result
  const lines = [
    `${dryRun ? 'Would copy from' : 'Copied from'} ${plain(from)} to ${plain(to)}`,
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
  if (failed.length > 0 && dryRun) lines.push('All else would be copied.')
  else if (failed.length > 0) lines.push(failed.every(({ error }) => LASTING.has(error.name)) ? ONLY_NAMES : AGAIN)
  return lines.join('\n')
}

const tally = ({ added, changed, same }: SyncTally): string =>
  added + changed + same === 0 ? 'none' : `${added} added, ${changed} changed, ${same} complete already`
