import { basename, dirname, join } from 'node:path'
import { IntegrityError } from '../../errors.js'
import type { WireExperiment } from '../protocol.js'
import { type Meta, numberField, readMeta, textField } from './codec.js'
import { META, type Store, TRASH } from './layout.js'
import { metaText } from './meta-file.js'
import { ifReadable } from './readable.js'
import { readValues } from './values.js'

function parse(meta: Meta, dir: string) {
  const id = textField(meta, 'experiment_id')
  if (id !== basename(dir)) return undefined
  const trashed = basename(dirname(dir)) === TRASH
  const created = numberField(meta, 'creation_time')
  const updated = numberField(meta, 'last_update_time')
  return {
    experiment_id: id,
    name: textField(meta, 'name') ?? '',
    artifact_location: textField(meta, 'artifact_location'),
    lifecycle_stage: trashed ? 'deleted' : (textField(meta, 'lifecycle_stage') ?? 'active'),
    ...(created === undefined ? {} : { creation_time: created }),
    ...(updated === undefined ? {} : { last_update_time: updated }),
  }
}

/**
 * The experiment in a folder; undefined when the folder has no `meta.yaml`. One that is broken, or that names another id
 * than the folder does, is an `IntegrityError` naming the file, or with `skip` as good as absent.
 */
export function readExperiment(store: Store, dir: string, broken: 'throw' | 'skip'): WireExperiment | undefined {
  return broken === 'throw' ? read(store, dir) : ifReadable(store, () => read(store, dir))
}

function read(store: Store, dir: string): WireExperiment | undefined {
  const file = join(dir, META)
  const known = store.memo.read(file, (text) => {
    // Empty while Python rewrites it: read again, with patience.
    const parsed = parse(readMeta(text === '' ? (metaText(dir) ?? '') : text, file), dir)
    if (!parsed) throw new IntegrityError(`${file} does not name the experiment ${basename(dir)} whose folder it is in`)
    return parsed
  })
  return known && { ...known, tags: readValues(join(dir, 'tags')) }
}
