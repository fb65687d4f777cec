import { basename, dirname, join } from 'node:path'
import { IntegrityError } from '../../errors.js'
import type { WireRunInfo } from '../protocol.js'
import { type Meta, numberField, readMeta, textField } from './codec.js'
import { META } from './layout.js'

const STATUSES = ['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'] as const
type Status = (typeof STATUSES)[number]

/** A status as `meta.yaml` has it: RUNNING is 1, KILLED 5. */
export const statusNumber = (status: Status): number => STATUSES.indexOf(status) + 1

function statusOf(text: string | undefined): Status {
  const number = Number(text ?? '1')
  return STATUSES[number - 1] ?? STATUSES.find((status) => status === text) ?? 'RUNNING'
}

/** What the `meta.yaml` of the run in a folder says; `name` is asked when that has none. `IntegrityError` when it is broken. */
export function parseRun(text: string, dir: string, name: () => string | undefined): WireRunInfo {
  return parseUsual(text, dir) ?? toInfo(readMeta(text, join(dir, META)), dir, name)
}

function toInfo(meta: Meta, dir: string, name: () => string | undefined): WireRunInfo {
  const file = join(dir, META)
  const id = textField(meta, 'run_id') ?? textField(meta, 'run_uuid')
  if (id !== basename(dir))
    throw new IntegrityError(`${file} does not name the run ${basename(dir)} whose folder it is in`)
  const experiment = textField(meta, 'experiment_id')
  if (experiment !== basename(dirname(dir)))
    throw new IntegrityError(`${file} names the experiment ${experiment ?? '(none)'}, but lies in ${dirname(dir)}`)
  const start = numberField(meta, 'start_time')
  const end = numberField(meta, 'end_time')
  return {
    run_id: id,
    run_uuid: id,
    run_name: textField(meta, 'run_name') || name(),
    experiment_id: experiment,
    user_id: textField(meta, 'user_id'),
    status: statusOf(textField(meta, 'status')),
    ...(start === undefined ? {} : { start_time: start }),
    ...(end === undefined ? {} : { end_time: end }),
    artifact_uri: textField(meta, 'artifact_uri'),
    lifecycle_stage: textField(meta, 'lifecycle_stage') ?? 'active',
  }
}

// The text that Cairn and MLflow write for nearly all runs, taken apart at once: ten thousand of them are read before a
// first table is shown. Values that YAML could mean otherwise than they look do not match: then it is read as YAML.
const USUAL = new RegExp(
  [
    /^artifact_uri: (\w[\w./:%@=~+-]*\/artifacts)\n/,
    /(?:deleted_time: (?:null|\d+)\n)?/,
    /end_time: (null|\d{1,15})\n/,
    /entry_point_name: ''\n/,
    /experiment_id: (?:'(\w+)'|([a-z]\w*))\n/,
    /lifecycle_stage: (active|deleted)\n/,
    /run_id: (?:'(\w+)'|(\w+))\n/,
    /run_name: ([a-zA-Z]\w*(?:[ .-]\w+)*)\n/,
    /run_uuid: (?:'\w+'|\w+)\n/,
    /source_name: ''\nsource_type: 4\nsource_version: ''\n/,
    /start_time: (\d{1,15})\n/,
    /status: ([1-5])\n/,
    /tags: \[\]\n/,
    /user_id: ([a-zA-Z]\w*(?:[.-]\w+)*)\n$/,
  ]
    .map(({ source }) => source)
    .join(''),
)
/** What YAML reads as nothing. */
const NOTHING = /^null$/i
const ARTIFACTS = '/artifacts'
/** Longer texts are read as YAML: matching one of millions of characters fills the engine's stack. */
const LONGEST = 4_000

let lastLocation = ''

/** A part of a text that does not hold on to the whole of it, as engines have it. */
const apart = (text: string): string => (text.length > 12 ? ` ${text}`.slice(1) : text)

/** The same of a place: those of one experiment's runs have all but their ids in common. */
function placeApart(uri: string, id: string): string {
  const tail = id.length + ARTIFACTS.length
  if (!uri.startsWith(id, uri.length - tail)) return apart(uri)
  if (lastLocation.length !== uri.length - tail || !uri.startsWith(lastLocation))
    lastLocation = apart(uri.slice(0, -tail))
  return `${lastLocation}${id}${ARTIFACTS}`
}

function parseUsual(text: string, dir: string): WireRunInfo | undefined {
  const found = text.length > LONGEST ? undefined : USUAL.exec(text)
  if (!found) return undefined
  const [
    ,
    uri = '',
    end,
    quotedExperiment,
    bareExperiment,
    stage,
    quotedId,
    bareId,
    name = '',
    start,
    status,
    user = '',
  ] = found
  const id = basename(dir)
  const experiment = basename(dirname(dir))
  if (id !== (quotedId ?? bareId) || experiment !== (quotedExperiment ?? bareExperiment)) return undefined
  if ([id, experiment, name, user].some((one) => NOTHING.test(one))) return undefined
  return {
    run_id: id,
    run_uuid: id,
    run_name: apart(name),
    experiment_id: experiment,
    user_id: apart(user),
    status: STATUSES[Number(status) - 1] ?? 'RUNNING',
    start_time: Number(start),
    ...(end === 'null' ? {} : { end_time: Number(end) }),
    artifact_uri: placeApart(uri, id),
    lifecycle_stage: stage ?? 'active',
  }
}
