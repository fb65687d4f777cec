import type { Command } from 'commander'
import { byName } from '../core/filter/by-name.js'
import type { ModelVersion, RegisteredModel } from '../index.js'
import { bytesText, timeText } from './format.js'
import { fields } from './sections.js'
import { type Column, table } from './table.js'
import type { Terminal } from './terminal.js'
import { examples, parseCount, several, type Work, word } from './word.js'

interface ListOptions {
  readonly filter?: string
  readonly orderBy?: readonly string[]
  readonly max: number
}

const MODELS: readonly Column[] = [
  { title: 'NAME', keep: 'always' },
  { title: 'LATEST', keep: 'always' },
  { title: 'STAGES AND ALIASES' },
  { title: 'UPDATED', keep: 'whole' },
  { title: 'DESCRIPTION' },
]
const VERSIONS: readonly Column[] = [
  { title: 'VERSION', keep: 'always' },
  { title: 'STAGE', keep: 'always' },
  { title: 'ALIASES' },
  { title: 'MADE', keep: 'whole' },
  { title: 'RUN' },
  { title: 'DESCRIPTION' },
]
const MOVES: readonly Column[] = [
  { title: 'WHEN', keep: 'always' },
  { title: 'VERSION', keep: 'always' },
  { title: 'MOVE', keep: 'always' },
  { title: 'BY' },
  { title: 'COMMENT' },
]

/** The words on registered models. */
export function modelWords(program: Command, terminal: Terminal): void {
  const models = program.command('models').description('Look at registered models and fetch them')
  const list = models
    .command('list')
    .description('List registered models')
    .option('-f, --filter <filter>', "MLflow's search, e.g. \"name LIKE 'churn%'\"")
    .option('-o, --order-by <order>', 'e.g. "last_updated_timestamp DESC" (may be repeated)', several)
    .option('-n, --max <count>', 'how many at the most', parseCount, 50)
  word(list, terminal, listModels)
  examples(list, 'cairn-ml models list', 'cairn-ml models list -f "tags.team = \'growth\'" --json')
  const show = models
    .command('show')
    .description('Show a registered model: its versions, and who moved what where')
    .argument('<name>', 'as `models list` shows it')
  word(show, terminal, showModel)
  examples(show, 'cairn-ml models show churn')
  const pull = models
    .command('pull')
    .description('Fetch the files of a model into a folder')
    .argument(
      '<uri>',
      'models:/name/3, models:/name/Production, models:/name@alias, models:/m-<id> or runs:/<id>/<path>',
    )
    .argument('<dir>', 'made when it is not there')
  word(pull, terminal, pullModel)
  examples(
    pull,
    'cairn-ml models pull models:/churn/Production ./model',
    'cairn-ml models pull models:/churn@champion ./model --json',
  )
}

async function listModels({ client, options, terminal, answer }: Work<ListOptions>): Promise<void> {
  const { filter, orderBy, max } = options
  const found = await client.searchRegisteredModels({ filter, orderBy, maxResults: max + 1 })
  const shown = found.slice(0, max)
  answer(shown, () => (shown.length === 0 ? 'No registered models.' : table(MODELS, shown.map(row), terminal)))
  if (found.length > max) terminal.err(`The first ${max} are shown; --max ${2 * max} shows more.`)
}

function row({ name, latestVersions, aliases, lastUpdatedTimestamp, description = '' }: RegisteredModel): string[] {
  const newest = Math.max(0, ...latestVersions.map(({ version }) => Number(version)))
  const places = [
    ...latestVersions
      .filter(({ currentStage }) => currentStage !== 'None')
      .map((one) => [one.currentStage, one.version]),
    ...Object.entries(aliases).map(([alias, version]) => [`@${alias}`, version]),
  ]
  const held = places.map(([place, version]) => `${place}: ${version}`).join(', ')
  return [name, newest === 0 ? '' : String(newest), held, timeText(lastUpdatedTimestamp), description]
}

async function showModel({ client, terminal, answer }: Work<object>, name = ''): Promise<void> {
  const model = await client.getRegisteredModel(name)
  const found = await client.searchModelVersions({ filter: byName(name), orderBy: ['version_number DESC'] })
  const own = found.filter((version) => version.name === model.name)
  // Servers leave aliases out of what a search finds.
  const versions = own.map((version) => ({ ...version, aliases: aliasesOf(model, version) }))
  const history = await client.getStageHistory(name)
  answer({ ...model, versions, history }, () =>
    [
      fields([
        ['Model', model.name],
        ['Description', model.description],
        ['Made', timeText(model.creationTimestamp)],
        ['Updated', timeText(model.lastUpdatedTimestamp)],
        [
          'Tags',
          Object.entries(model.tags)
            .map(([key, value]) => `${key}=${value}`)
            .join(' '),
        ],
      ]),
      versions.length === 0 ? 'No versions.' : table(VERSIONS, versions.map(versionRow), terminal),
      history.length === 0 ? '' : table(MOVES, history.map(moveRow), terminal),
    ]
      .filter((text) => text !== '')
      .join('\n\n'),
  )
}

const aliasesOf = ({ aliases }: RegisteredModel, { version }: ModelVersion): string[] =>
  Object.keys(aliases).filter((alias) => aliases[alias] === version)

const versionRow = ({
  version,
  currentStage,
  aliases,
  creationTimestamp,
  runId = '',
  description = '',
}: ModelVersion) => [version, currentStage, aliases.join(', '), timeText(creationTimestamp), runId, description]

type Move = Awaited<ReturnType<Work<object>['client']['getStageHistory']>>[number]

const moveRow = ({ timestamp, version, from, to, alias, by = '', comment = '', rollback }: Move) => [
  timeText(timestamp),
  version,
  `${alias === undefined ? '' : `@${alias} `}${from ?? '–'} → ${to}${rollback ? ' (rollback)' : ''}`,
  by,
  comment,
]

async function pullModel({ client, terminal, answer }: Work<object>, uri = '', dir = ''): Promise<void> {
  let loadedBytes = 0
  try {
    const path = await client.downloadArtifacts(uri, {
      dstPath: dir,
      onProgress: ({ loaded, total }) => {
        loadedBytes = loaded
        const share = total ? `${Math.floor((100 * loaded) / total)} % of ${bytesText(total)}` : bytesText(loaded)
        terminal.progress(`Fetching ${uri}: ${share}`)
      },
    })
    terminal.progress('')
    answer({ uri, path, bytes: loadedBytes }, () => path)
  } catch (error) {
    terminal.progress('')
    throw error
  }
}
