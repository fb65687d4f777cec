import { checkInput } from '../core/check-input.js'
import { inferSignature } from '../core/infer-signature.js'
import type { Signature } from '../core/signature.js'
import type { ModelInput, ModelOutput } from '../core/tensor.js'
import { SignatureMismatchError } from '../errors.js'
import { readExample } from './example.js'
import type { Flavor, SavedFlavor } from './flavor.js'

/** Whether an example may be asked of a model with this signature; a graph's own does not know the columns of a table. */
export function fits(signature: Signature | undefined, example: ModelInput | undefined): boolean {
  if (!signature || example === undefined) return true
  try {
    checkInput(signature, example)
    return true
  } catch (error) {
    if (error instanceof SignatureMismatchError) return false
    throw error
  }
}

export interface Answering {
  readonly flavor: Flavor
  readonly saved: SavedFlavor
  readonly dir: string
  readonly info: Readonly<Record<string, unknown>>
  readonly signature: Signature | undefined
  readonly lib?: unknown
  readonly warn: (message: string) => void
}

/** What the packaged model answers its example, both read back from the folder; a model that cannot is kept nonetheless. */
export async function answerOf({
  flavor,
  saved,
  dir,
  info,
  signature,
  lib,
  warn,
}: Answering): Promise<ModelOutput | undefined> {
  try {
    const input = checkInput(signature, await readExample(dir, info, signature))
    const loaded = await flavor.load(dir, saved.config, { allowCode: true, lib, signature })
    try {
      return await loaded.predict(input)
    } finally {
      await loaded.dispose()
    }
  } catch (error) {
    // The training is done and the model is whole: losing it over its example would be the greater harm.
    warn(`The model could not answer its input example, so no answer is kept for replay: ${(error as Error).message}`)
    return undefined
  }
}

/** The signature that an example and the answer to it suggest, if they do. */
export function inferred(
  example: ModelInput,
  output: ModelOutput | undefined,
  warn: (message: string) => void,
): Signature | undefined {
  try {
    return inferSignature(example, output)
  } catch (error) {
    warn(`No signature could be inferred from the input example: ${(error as Error).message}`)
    return undefined
  }
}
