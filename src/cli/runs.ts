import type { Command } from 'commander'
import type { Client, RunData } from '../index.js'
import { bytesText, durationText, numberText, timeText } from './format.js'
import { fields, section } from './sections.js'
import { type Column, table } from './table.js'
import type { Terminal } from './terminal.js'
import { examples, parseCount, several, type Work, word } from './word.js'

interface ListOptions {
  readonly experiment?: readonly string[]
  readonly filter?: string
  readonly orderBy?: readonly string[]
  readonly max: number
  readonly deleted?: true
}

const COLUMNS: readonly Column[] = [
  { title: 'RUN ID', keep: 'always' },
  { title: 'NAME' },
  { title: 'STATUS', keep: 'whole' },
  { title: 'STARTED', keep: 'whole' },
  { title: 'TOOK', keep: 'whole' },
  { title: 'METRICS' },
]

/** The words on runs. */
export function runWords(program: Command, terminal: Terminal): void {
  const runs = program.command('runs').description('Look at runs')
  const list = runs
    .command('list')
    .description('List runs, the newest first')
    .option('-e, --experiment <name>', 'only runs of this experiment (may be repeated)', several)
    .option('-f, --filter <filter>', "MLflow's search, e.g. \"metrics.auc > 0.8 AND tags.team = 'growth'\"")
    .option('-o, --order-by <order>', 'e.g. "metrics.auc DESC" (may be repeated)', several)
    .option('-n, --max <count>', 'how many at the most', parseCount, 50)
    .option('--deleted', 'the deleted ones instead of the others')
  word(list, terminal, listRuns)
  examples(
    list,
    'cairn-ml runs list --max 10',
    'cairn-ml runs list -e churn -f "metrics.auc > 0.8" -o "metrics.auc DESC"',
    'cairn-ml runs list --tracking-uri http://localhost:5000 --json',
  )
  const show = runs
    .command('show')
    .description('Show all about one run: parameters, latest metrics, tags, artifacts')
    .argument('<run-id>', 'as `runs list` shows it')
  word(show, terminal, showRun)
  examples(show, 'cairn-ml runs show 769c9d7e3aa6419b96b414c86360e9e8')
}

async function listRuns({ client, options, terminal, answer }: Work<ListOptions>): Promise<void> {
  const { filter, orderBy, max, deleted } = options
  const experimentIds = await Promise.all((options.experiment ?? []).map((name) => idOf(client, name)))
  const found = await client.searchRuns({
    ...(experimentIds.length > 0 ? { experimentIds } : {}),
    filter,
    orderBy,
    // One more than is shown tells whether there are more.
    maxResults: max + 1,
    viewType: deleted ? 'DELETED_ONLY' : 'ACTIVE_ONLY',
  })
  const shown = found.slice(0, max)
  answer(shown, () => (shown.length === 0 ? 'No runs.' : table(COLUMNS, shown.map(row), terminal)))
  if (found.length > max) terminal.err(`The first ${max} are shown; --max ${2 * max} shows more.`)
}

async function idOf(client: Client, name: string): Promise<string> {
  const experiment = await client.getExperimentByName(name)
  if (experiment) return experiment.experimentId
  const { NotFoundError } = await import('../index.js')
  const known = (await client.searchExperiments({ maxResults: 10 })).map((one) => JSON.stringify(one.name)).join(', ')
  throw new NotFoundError(`There is no experiment ${JSON.stringify(name)}; there are ${known || 'none'}`)
}

const row = ({ info, data }: RunData): string[] => [
  info.runId,
  info.runName ?? '',
  info.status,
  timeText(info.startTime),
  took(info),
  Object.entries(data.metrics)
    .map(([key, value]) => `${key}=${numberText(value)}`)
    .join(' '),
]

const took = ({ startTime, endTime }: RunData['info']): string =>
  startTime === undefined || endTime === undefined ? '' : durationText(endTime - startTime)

async function showRun({ client, answer, terminal }: Work<object>, runId = ''): Promise<void> {
  const run = await client.getRun(runId)
  const artifacts = await client.listArtifacts(runId)
  answer({ ...run, artifacts }, () => {
    const { info, data } = run
    const head: [string, string | undefined][] = [
      ['Run', info.runId],
      ['Name', info.runName],
      ['Experiment', info.experimentId],
      ['Status', info.status + (info.lifecycleStage === 'deleted' ? ' (deleted)' : '')],
      ['Started', timeText(info.startTime)],
      ['Took', took(info)],
      ['User', info.userId],
      ['Artifacts', info.artifactUri],
    ]
    const files = artifacts.map(({ path, isDir, fileSize = 0 }): [string, string] =>
      isDir ? [`${path}/`, ''] : [path, bytesText(fileSize)],
    )
    return [
      fields(head),
      section('Parameters', Object.entries(data.params), terminal),
      section(
        'Metrics',
        Object.entries(data.metrics).map(([key, value]) => [key, String(value)]),
        terminal,
      ),
      section('Tags', Object.entries(data.tags), terminal),
      section('Files', files, terminal),
    ]
      .filter((text) => text !== '')
      .join('\n\n')
  })
}
