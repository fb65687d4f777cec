import { join } from 'node:path'
import type { Client } from '../client.js'
import { givenUri } from '../core/model-uri.js'
import type { Parts } from '../wire.js'
import { checkSync } from './arguments.js'

/** `sync` of a client: each store has parts of its own, which are let go of with the copy. */
export const copying =
  (own: Parts, partsAt: (uri: string) => Parts): Client['sync'] =>
  async (source, options = {}) => {
    checkSync(source, options)
    const { to = givenUri(own.backends.tracking.uri), ...rules } = options
    const { sync } = await import('../sync/sync.js')
    const { alone } = await import('../sync/alone.js')
    const [from, target] = [partsAt(source), partsAt(to)]
    try {
      const copy = async () => sync(await sideOf(from), await sideOf(target), rules)
      if (rules.dryRun) return await copy()
      return await alone(join(own.settings.spoolDir, 'sync'), target.backends.tracking.uri, copy)
    } finally {
      await Promise.all([from.close(), target.close()])
    }
  }

const sideOf = async ({ backends: { tracking }, openNamedPlace }: Parts) => ({
  uri: tracking.uri,
  local: tracking.local,
  sharesDisk: tracking.sharesDisk,
  transport: await tracking.transport(),
  openArtifacts: openNamedPlace,
})
