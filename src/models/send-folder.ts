import { join } from 'node:path'
import { upload } from '../artifacts/upload.js'
import { type MlModel, readMlModel, writeMlModel } from '../core/mlmodel.js'
import { readText, saveFile } from '../disk/files.js'
import { tree } from '../disk/tree.js'
import type { CarryDeps, CarryModelOptions, PackedModel } from './packed-model.js'
import { type Sent, sentFiles } from './sent-files.js'

/** Writes a model's ids into its MLmodel; the same ids give the same text. */
export async function describe(
  { dir, described: known }: PackedModel,
  ids: Pick<MlModel, 'artifactPath' | 'runId' | 'modelId' | 'modelUuid'>,
): Promise<MlModel> {
  const file = join(dir, 'MLmodel')
  const described = { ...(known ?? readMlModel(await readText(file), file)), ...ids }
  await saveFile(file, writeMlModel(described))
  return described
}

/** Sends what is in the folder, MLmodel last; what an earlier try has sent there is not sent again. */
export async function send(
  deps: CarryDeps,
  { dir, request }: PackedModel,
  { uri, path }: { uri: string; path: string },
  { signal, onProgress }: CarryModelOptions,
): Promise<void> {
  const sent: Sent | undefined = request.operationId === undefined ? undefined : sentFiles(dir, `${uri}/${path}`)
  const files = (await tree(dir, { links: 'refuse' })).filter((file) => !sent?.has(file.path))
  try {
    await upload(await deps.openArtifacts(uri), files, path, {
      last: ['MLmodel'],
      signal,
      onProgress,
      onSent: sent && ((name) => sent.add(name)),
    })
  } finally {
    sent?.close()
  }
}
