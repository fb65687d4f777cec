import { join } from 'node:path'
import { IntegrityError } from '../../errors.js'
import { type Meta, readMeta } from './codec.js'
import { META, type Store } from './layout.js'
import { metaText } from './meta-file.js'
import { ifReadable } from './readable.js'

/** The `meta.yaml` of a model's or version's folder; throws `IntegrityError` naming the file when it is missing or broken. */
export function metaOf(store: Store, dir: string): Meta {
  const file = join(dir, META)
  // Empty while Python rewrites it: read again, with patience.
  const meta = store.memo.read(file, (text) => readMeta(text === '' ? (metaText(dir) ?? '') : text, file))
  if (!meta) throw new IntegrityError(`${file} is missing, though its folder is there`)
  return meta
}

/** As `metaOf`, but undefined for what cannot be read: one bad folder must not fail a whole listing. */
export const metaIfReadable = (store: Store, dir: string): Meta | undefined =>
  ifReadable(store, () => metaOf(store, dir))
