import { localPath } from '../artifacts/location.js'
import type { Transport } from '../transport/transport.js'
import type { PluginContext } from './plugins.js'

/** Opens the local store of a path or `file:` URI. */
export async function openFileStore(uri: string, context: PluginContext): Promise<Transport> {
  const { settings, logger, openArtifacts, trackingUri, registryUri, openTransport } = context
  const isApart = uri === registryUri && uri !== trackingUri
  const { fileTransport } = await import('../transport/file/file.js')
  return fileTransport({
    root: localPath(uri),
    warn: (message) => logger.warn(message),
    // A registry apart asks for runs and logged models where they are.
    tracking: isApart ? () => openTransport(trackingUri) : undefined,
    truncate: settings.truncateLongValues,
    listArtifacts: async (artifactUri, path) => {
      const { listChecked } = await import('../artifacts/listing.js')
      const entries = await listChecked(await openArtifacts(artifactUri), path ?? '')
      return entries.map((entry) => ({ path: entry.path, is_dir: entry.isDir, file_size: entry.size }))
    },
  })
}

/** Python's client keeps its runs in a database by default since MLflow 3.7: someone may look for them, or for ours, in vain. */
export async function tellOfDatabase(warn: (message: string) => void): Promise<void> {
  const { factsBehind } = await import('../disk/files.js')
  if (await factsBehind('mlflow.db').catch(() => undefined))
    warn(
      'Runs go to ./mlruns, the default, and not into the mlflow.db beside it, which is where those of Python go; to share that one, start mlflow server --backend-store-uri sqlite:///mlflow.db and set MLFLOW_TRACKING_URI to its address',
    )
}
