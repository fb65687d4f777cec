import type { Signature } from '../core/signature.js'
import type { ModelInput, ModelOutput } from '../core/tensor.js'

/** The entry of a flavor in MLmodel, as it was read: from outside, to be checked before it is used. */
export type FlavorConfig = Readonly<Record<string, unknown>>

/** What `save` is told beside the model. */
export interface SaveContext {
  /** The signature the caller gave, if any. */
  readonly signature?: Signature | undefined
  /** The framework's module, in place of the one that would be imported. */
  readonly lib?: unknown
}

/** What `save` has to say about the files it wrote. */
export interface SavedFlavor {
  /** The flavor's own entry in MLmodel. */
  readonly config: FlavorConfig
  /** The `python_function` entry, where Python's MLflow can load the model too. */
  readonly pythonFunction?: FlavorConfig | undefined
  /** The signature read from the model itself; one given by the caller goes before it. */
  readonly signature?: Signature | undefined
  /** Python packages needed to serve it, as lines of `requirements.txt`. */
  readonly requirements?: readonly string[] | undefined
  /** npm packages needed to load it, name to version range. */
  readonly dependencies?: Readonly<Record<string, string>> | undefined
}

/** What a caller may say when a model is loaded. */
export interface LoadOptions {
  /** Consent to run code that came with the model; default false. */
  readonly allowCode?: boolean | undefined
  /** The framework's module, in place of the one that would be imported. */
  readonly lib?: unknown
  /** The framework's own session options (onnx). */
  readonly sessionOptions?: Readonly<Record<string, unknown>> | undefined
  /** The model's signature, from its MLmodel. */
  readonly signature?: Signature | undefined
}

/** A model brought to life. */
export interface LoadedFlavor {
  /** The framework's own object. */
  readonly native: unknown
  /** Rows in, rows out; tensors in, tensors out. The input has been checked against the signature, if there is one. */
  predict(input: ModelInput): Promise<ModelOutput>
  /** Frees what the framework holds; called once. */
  dispose(): Promise<void>
}

/** One kind of model: how it is written into a folder and brought back from it. Everything a plug-in has to give. */
export interface Flavor {
  /** The key under `flavors:` in MLmodel, and the value of `logModel`'s `flavor`. */
  readonly name: string
  /** Whether this is a model of this kind; asked when `logModel` is called without `flavor`. */
  accepts(model: unknown): boolean
  /** Writes the model's files into `dir`, an empty folder. */
  save(model: unknown, dir: string, context: SaveContext): Promise<SavedFlavor>
  /** Loads what `save` wrote into `dir`; nothing outside of it may be read. */
  load(dir: string, config: FlavorConfig, options: LoadOptions): Promise<LoadedFlavor>
}
