import { join } from 'node:path'
import { factsBehind, factsOf, makeDirs, saveFile } from '../disk/files.js'
import { PermissionDeniedError } from '../errors.js'

const TAG = 'Signature: 8a477f597d28d172789f06886806bc55\n# Models fetched by cairn-ml; safe to delete.\n'

/** Makes the directory of a cache, or checks who may write to it: a cache that others can change would load their models. */
export async function prepareRoot(dir: string, warn: (message: string) => void): Promise<void> {
  const found = await factsBehind(dir)
  if (!found) await makeDirs(dir, 0o700)
  else if (process.platform !== 'win32') {
    if (found.mode & 0o002)
      throw new PermissionDeniedError(
        `Everybody may write to the model cache ${dir}, and so swap a model before it is loaded; run: chmod 700 ${JSON.stringify(dir)}`,
      )
    if (found.mode & 0o020)
      warn(`The group may write to the model cache ${dir}; chmod 700 keeps its models from being swapped`)
    const me = process.getuid?.()
    if (me !== undefined && found.uid !== me && found.uid !== 0)
      warn(`The model cache ${dir} belongs to another user (uid ${found.uid}), who could swap its models`)
  }
  await makeDirs(join(dir, 'v1'), 0o700)
  if (!(await factsOf(join(dir, 'CACHEDIR.TAG')))) await saveFile(join(dir, 'CACHEDIR.TAG'), TAG)
}
