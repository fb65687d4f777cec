import { randomUUID } from 'node:crypto'
import { basename } from 'node:path'
import { checkArtifactPath, joinPath } from '../artifacts/paths.js'
import type { ArtifactStore, TransferOptions } from '../artifacts/store.js'
import { textAt } from '../artifacts/text.js'
import { type LocalFile, upload } from '../artifacts/upload.js'
import { checkedInUse, checkOptions, isSomeText, numberThat, type Rules, shown } from '../core/options.js'
import { encodePng, pictureKind } from '../core/png.js'
import { appendRows, readTable, type SplitTable, splitTable } from '../core/table.js'
import { TAG } from '../core/tags.js'
import { wholeJson } from '../core/whole-json.js'
import { factsBehind } from '../disk/files.js'
import { globFiles } from '../disk/glob.js'
import { InvalidParameterError, NotFoundError } from '../errors.js'
import { loaded } from './loaded.js'
import { isOutage } from './outages.js'
import type { ArtifactOptions, ImageInput, ImageStep, RunVerbs } from './verbs.js'

export type ArtifactVerbs = Pick<
  RunVerbs,
  'logArtifact' | 'logArtifacts' | 'logText' | 'logJson' | 'logDict' | 'logFigure' | 'logImage' | 'logTable'
>

/** Where a run's files go. */
export interface RunFiles extends ArtifactStore {
  /** Keeps rows for a table that cannot be read now, until they can be added to it. */
  readonly addRows?: (path: string, rows: SplitTable, options?: TransferOptions) => Promise<void>
}

export interface ArtifactDeps {
  /** The store of the run's artifacts. */
  readonly store: () => Promise<RunFiles>
  readonly setTag: (key: string, value: string) => void
  readonly tagOf: (key: string) => string | undefined
}

const TYPES: Readonly<Record<string, string>> = { svg: 'image/svg+xml', html: 'text/html', json: 'application/json' }
const IMAGE_STEP: Rules<ImageStep> = {
  key: checkedInUse,
  step: checkedInUse,
  timestamp: numberThat(
    'epoch milliseconds, 0 or more',
    (value) => value >= 0 && Number.isSafeInteger(Math.trunc(value)),
  ),
}
const IMAGE_KEY = /^[\w\-./ ]+$/

/** The verbs of a run that keep files. */
export function artifactVerbs({ store, setTag, tagOf }: ArtifactDeps): ArtifactVerbs {
  /** Tables are read, appended to and written: one after the other. */
  let tables: Promise<void> = Promise.resolve()

  async function write(
    file: string,
    data: string | Uint8Array<ArrayBuffer>,
    { signal }: ArtifactOptions = {},
  ): Promise<void> {
    const path = checkFile(file)
    const type = TYPES[path.slice(path.lastIndexOf('.') + 1)] ?? 'application/octet-stream'
    await (await store()).write(path, new Blob([data], { type }), { signal })
  }

  async function send(from: string | readonly LocalFile[], to: string, options: ArtifactOptions): Promise<void> {
    await upload(await store(), from, to, options)
  }

  async function addTable(file: string, added: SplitTable, options?: ArtifactOptions): Promise<void> {
    const files = await store()
    const path = checkArtifactPath(file)
    files.checkWritable?.(path)
    let before: string | undefined
    try {
      before = await textAt(files, path, options)
    } catch (error) {
      if (!files.addRows || !isOutage(error)) throw error
      return files.addRows(path, added, options)
    }
    await write(
      file,
      JSON.stringify(before === undefined ? added : appendRows(readTable(before, file), added)),
      options,
    )
  }

  const verbs: ArtifactVerbs = {
    async logArtifact(path, artifactPath = '', options = {}) {
      checkPath(path)
      const facts = await factsBehind(path)
      if (!facts) throw new NotFoundError(`There is no file ${JSON.stringify(path)} to log`)
      if (facts.kind === 'directory') return send(path, joinPath(artifactPath, basename(path)), options)
      return send([{ file: path, path: basename(path) }], artifactPath, options)
    },
    async logArtifacts(dirOrGlob, artifactPath = '', options = {}) {
      checkPath(dirOrGlob)
      const facts = await factsBehind(dirOrGlob)
      if (facts?.kind === 'directory') return send(dirOrGlob, artifactPath, options)
      if (facts) return send([{ file: dirOrGlob, path: basename(dirOrGlob) }], artifactPath, options)
      return send(await globFiles(dirOrGlob), artifactPath, options)
    },
    async logText(text, file, options) {
      if (typeof text !== 'string') throw new InvalidParameterError(`logText takes a text, not ${typeof text}`)
      await write(file, text, options)
    },
    async logJson(value, file, options) {
      checkFile(file)
      await write(file, /\.ya?ml$/i.test(file) ? await yaml(value, file) : json(value, file), options)
    },
    logDict: (value, file, options) => verbs.logJson(value, file, options),
    async logFigure(svgOrHtml, file, options) {
      if (typeof svgOrHtml !== 'string' || !svgOrHtml.trimStart().startsWith('<'))
        throw new InvalidParameterError('logFigure takes the text of an SVG or HTML figure; for PNG bytes use logImage')
      if (!/\.(svg|html?)$/i.test(checkFile(file)))
        throw new InvalidParameterError(`A figure's file ends in .svg or .html, not as ${shown(file)} does`)
      await write(file, svgOrHtml, options)
    },
    async logImage(image, where, options) {
      const bytes = pictureBytes(image)
      if (typeof where === 'string') return write(where, bytes, options)
      checkOptions('A picture goes to a file, like "plots/loss.png", or to { key, step }', where, IMAGE_STEP)
      const name = imageName(where)
      await write(`${name}.${pictureKind(bytes) ?? 'png'}`, bytes, options)
      const small = await smallCopy(bytes)
      if (small) await write(`${name}+compressed.webp`, small, options)
      setTag(TAG.images, 'True')
    },
    logTable(table, file, options) {
      const turn = tables.then(async () => {
        if (!/\.json$/i.test(checkFile(file)))
          throw new InvalidParameterError(`A table's file ends in .json, not as ${shown(file)} does`)
        // As it will be read: its rows may wait on disk, and are compared there.
        const rows = wholeJson(`The table for ${JSON.stringify(file)}`, splitTable(table)) as string
        await addTable(file, JSON.parse(rows) as SplitTable, options)
        setTag(TAG.tables, withTable(tagOf(TAG.tables), file))
      })
      tables = turn.catch(() => {})
      return turn
    },
  }
  return verbs
}

/** Checks where a file goes. */
function checkFile(file: string): string {
  const path = checkArtifactPath(file)
  if (path !== '' && !file.endsWith('/')) return path
  throw new InvalidParameterError('The file has no name; give a path like "plots/loss.svg"')
}

function checkPath(path: unknown): void {
  if (path instanceof URL)
    throw new InvalidParameterError('A file or folder is named by its path, not by a URL: fileURLToPath(url) gives it')
  isSomeText(path, 'The path of a file or folder')
}

function json(value: unknown, file: string): string {
  const what = `The value for ${JSON.stringify(file)}`
  const text = wholeJson(what, value, 2)
  if (text === undefined) throw new InvalidParameterError(`${what} is ${typeof value}, which JSON does not have`)
  return text
}

async function yaml(value: unknown, file: string): Promise<string> {
  const { writeYaml } = await loaded(() => import('../core/yaml.js'))
  try {
    return writeYaml(value)
  } catch (cause) {
    throw new InvalidParameterError(`The value for ${JSON.stringify(file)} cannot be written as YAML`, { cause })
  }
}

function pictureBytes(image: ImageInput): Uint8Array<ArrayBuffer> {
  if (typeof image !== 'object' || image === null || !('length' in image || 'data' in image))
    throw new InvalidParameterError('logImage takes the bytes of a picture, or { data, width, height, channels }')
  if (!(image instanceof Uint8Array))
    return encodePng({ ...image, channels: image.channels ?? 3 }) as Uint8Array<ArrayBuffer>
  if (pictureKind(image)) return image as Uint8Array<ArrayBuffer>
  throw new InvalidParameterError(
    'The bytes are no PNG, JPEG or WebP; give raw pixels as { data, width, height, channels }',
  )
}

/** Python's name for a picture of a series (`mlflow/tracking/client.py`, `log_image`). */
function imageName({ key, step = 0, timestamp = Date.now() }: ImageStep): string {
  isSomeText(key, 'The key of a picture')
  if (!IMAGE_KEY.test(key))
    throw new InvalidParameterError(
      `The image key ${JSON.stringify(key)} may have letters, digits, "_", "-", ".", "/" and space`,
    )
  if (!Number.isSafeInteger(step))
    throw new InvalidParameterError(`The image step ${shown(step)} must be a whole number`)
  return `images/${key.replaceAll('/', '~')}+step+${step}+timestamp+${Math.trunc(timestamp)}+${randomUUID()}`
}

type Sharp = (bytes: Uint8Array) => {
  resize(size: object): { webp(): { toBuffer(): Promise<Uint8Array<ArrayBuffer>> } }
}

/** The small copy that MLflow's page shows while it loads the picture; only with the optional package. */
async function smallCopy(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const name = 'sharp'
  const sharp: Sharp | undefined = await import(name).then(
    (module: { default: Sharp }) => module.default,
    () => undefined,
  )
  return sharp?.(bytes).resize({ width: 256, height: 256, fit: 'inside' }).webp().toBuffer()
}

function withTable(tag: string | undefined, path: string): string {
  let listed: unknown
  try {
    listed = JSON.parse(tag ?? '[]')
  } catch {
    // Someone else's text under this name: it is replaced by what MLflow reads there.
  }
  const tables = Array.isArray(listed) ? (listed as { path?: unknown }[]) : []
  return JSON.stringify(tables.some((table) => table.path === path) ? tables : [...tables, { path, type: 'table' }])
}
