import { isLocal } from '../artifacts/location.js'
import type { RunData } from '../core/entities.js'
import { TAG } from '../core/tags.js'

/** The page of a run on a server, which asks in the default workspace unless it is told another; undefined for other stores. */
export function runUrl({ info }: RunData, trackingUri: string, workspace = 'default'): string | undefined {
  if (!/^https?:/i.test(trackingUri)) return undefined
  const { origin, pathname } = new URL(trackingUri)
  const query = workspace === 'default' ? '' : `?workspace=${encodeURIComponent(workspace)}`
  return `${origin}${pathname.replace(/\/+$/, '')}/#/experiments/${info.experimentId}/runs/${info.runId}${query}`
}

/** One line for the end of a run; a child's is its parent's, and a scheme of the user's own is theirs to open. */
export function whereToLook(data: RunData, trackingUri: string, workspace?: string): string | undefined {
  const { runId, runName = runId } = data.info
  if (data.data.tags[TAG.parentRunId] !== undefined) return undefined
  const url = runUrl(data, trackingUri, workspace)
  if (url !== undefined) return `cairn: run ${runName}: ${url}`
  if (!isLocal(trackingUri)) return undefined
  return `cairn: run ${runName}: npx cairn-ml runs show ${runId} --tracking-uri ${trackingUri}`
}
