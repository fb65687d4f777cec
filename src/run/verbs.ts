import type { Dataset, Progress, Step } from '../core/entities.js'
import type { TableInput } from '../core/table.js'
import type { BufferStats } from '../tracking/metric-buffer.js'
import type { PointOptions } from '../tracking/values.js'

/** Options of a call that sends files. */
export interface ArtifactOptions {
  /** Ends the call early; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Told how far the transfer is, in bytes. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** Picture bytes (PNG, JPEG or WebP), or raw pixels: `data` row by row, a whole number from 0 to 255 for each of 1, 3 or 4 channels. */
export type ImageInput =
  | Uint8Array
  | {
      readonly data: Uint8Array | Uint8ClampedArray | readonly number[]
      readonly width: number
      readonly height: number
      readonly channels?: 1 | 3 | 4 | undefined
    }

/** Where a picture that belongs to a step goes, instead of a file name. */
export interface ImageStep {
  /** Letters, digits and `_ - . / space`. */
  readonly key: string
  /** A whole number; 0 by default. */
  readonly step?: number | undefined
  /** Epoch milliseconds; now by default. */
  readonly timestamp?: number | undefined
}

/** A dataset as it is given: `source`, `schema`, `profile` as JSON text or as a value that becomes it. */
export interface DatasetOptions extends Pick<Dataset, 'name'> {
  /** At most 36 characters; a hash of name, source, schema and profile when left out. */
  readonly digest?: string | undefined
  /** `local`, `http`, `s3`, …; `local` by default. */
  readonly sourceType?: string | undefined
  readonly source: unknown
  readonly schema?: unknown
  readonly profile?: unknown
}

/** How a run used a dataset. */
export interface InputOptions extends Pick<ArtifactOptions, 'signal'> {
  /** What for, in a word like `training`. */
  readonly context?: string | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
}

/** What git knows of the script, and which files of it to keep. */
export interface CodeOptions extends ArtifactOptions {
  /** Where the code lies; the folder of the main script by default. */
  readonly dir?: string | undefined
  /** Files to keep, as globs below `dir`; by default all that git tracks in its repository. */
  readonly include?: string | readonly string[] | undefined
  /** The folder among the run's artifacts; `code` by default. */
  readonly artifactPath?: string | undefined
}

/** All that can be logged to a run. What is wrong is thrown at the call, as `InvalidParameterError`. */
export interface RunVerbs {
  /**
   * Logs a parameter: `String(value)`, objects as JSON, at most 6,000 characters (longer ones are cut with a warning, or
   * refused with `MLFLOW_TRUNCATE_LONG_VALUES=false`). A parameter is written once: the same value again is nothing, another
   * one a `ParamConflictError`. `null` and `undefined` are refused.
   */
  logParam(key: string, value: unknown): void
  /** Logs several parameters; `null` and `undefined` are left out. */
  logParams(params: Readonly<Record<string, unknown>>): void
  /**
   * Logs one point of a metric, at once and without waiting for disk or network. `value` is any number, NaN and the
   * infinities included; `step` a whole number (0 by default; past 2^53 a bigint); the time is that of the call.
   */
  logMetric(key: string, value: number, step?: Step | PointOptions): void
  /** Logs several metrics with one step and one time; `null` and `undefined` are left out. */
  logMetrics(metrics: Readonly<Record<string, number | null | undefined>>, step?: Step | PointOptions): void
  /** Sets a tag: text of at most 8,000 characters, in order with all else. */
  setTag(key: string, value: unknown): void
  /** Sets several tags; `null` and `undefined` are left out. */
  setTags(tags: Readonly<Record<string, unknown>>): void
  /** Removes a tag, in order with all else; one that is not there is success. */
  deleteTag(key: string): void
  /** Keeps a file, or a folder with all below it, under its own name in `artifactPath` (the root by default). */
  logArtifact(path: string, artifactPath?: string, options?: ArtifactOptions): Promise<void>
  /** Keeps what is in a folder, or the files that a glob finds (paths below the glob's fixed part are kept). */
  logArtifacts(dirOrGlob: string, artifactPath?: string, options?: ArtifactOptions): Promise<void>
  /** Keeps a text as a file, in UTF-8. */
  logText(text: string, file: string, options?: ArtifactOptions): Promise<void>
  /**
   * Keeps a value as JSON with an indent of 2, or as YAML when the file ends in `.yaml` or `.yml`. In JSON a bigint is text,
   * and a promise, Map or Set anywhere in the value is refused.
   */
  logJson(value: unknown, file: string, options?: ArtifactOptions): Promise<void>
  /** Python's name for `logJson`. */
  logDict(value: unknown, file: string, options?: ArtifactOptions): Promise<void>
  /** Keeps a figure: the text of an SVG (`.svg`) or of a page (`.html`). */
  logFigure(svgOrHtml: string, file: string, options?: ArtifactOptions): Promise<void>
  /**
   * Keeps a picture under a file name, or as one of a series under a key and step, by Python's naming. Raw pixels become
   * a PNG; the small copy of a series is made when the optional package `sharp` is there.
   */
  logImage(image: ImageInput, where: string | ImageStep, options?: ArtifactOptions): Promise<void>
  /** Keeps a table as `.json` in Python's split form; a second call with the same file appends its rows. */
  logTable(table: TableInput, file: string, options?: ArtifactOptions): Promise<void>
  /** Notes what the run was trained or judged on; `context` is a word like `training`. */
  logInput(dataset: DatasetOptions, options?: InputOptions): Promise<void>
  /** Notes logged models as what the run made, each at a step (0 by default). */
  logOutputs(
    models: readonly (string | { readonly modelId: string; readonly step?: Step | undefined })[],
    options?: Pick<ArtifactOptions, 'signal'>,
  ): Promise<void>
  /** Keeps the code: git's commit as a tag, the changes since as `git.diff`, and a `code.tgz` of the files. */
  logCode(options?: CodeOptions): Promise<void>
  /**
   * Resolves when everything logged so far has arrived; rejects with what was refused, with `PermissionDeniedError` when the
   * server says that one may not write to the run (what was logged is kept and tried again), or with `TimeoutError` after
   * `timeoutMs` (60,000).
   */
  flush(options?: { readonly timeoutMs?: number | undefined }): Promise<void>
  /** What became of what was logged. */
  stats(): BufferStats
}
