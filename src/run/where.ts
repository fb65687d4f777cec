import { isLocal } from '../artifacts/location.js'
import type { RunData } from '../core/entities.js'

/** The page of a run on a server; undefined for other stores. */
export function runUrl({ info }: RunData, trackingUri: string): string | undefined {
  if (!/^https?:/i.test(trackingUri)) return undefined
  const { origin, pathname } = new URL(trackingUri)
  return `${origin}${pathname.replace(/\/+$/, '')}/#/experiments/${info.experimentId}/runs/${info.runId}`
}

/** One line for the end of a run; a child's is its parent's, and a scheme of the user's own is theirs to open. */
export function whereToLook(data: RunData, trackingUri: string): string | undefined {
  const { runId, runName = runId } = data.info
  if (data.data.tags['mlflow.parentRunId'] !== undefined) return undefined
  const url = runUrl(data, trackingUri)
  if (url !== undefined) return `cairn: run ${runName}: ${url}`
  if (!isLocal(trackingUri)) return undefined
  return `cairn: run ${runName}: npx cairn-ml runs show ${runId} --tracking-uri ${trackingUri}`
}
