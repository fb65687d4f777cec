import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** The folders of runs that wait. */
export function leftIn(spool: string): string[] {
  const servers = join(spool, 'v1')
  if (!existsSync(servers)) return []
  return readdirSync(servers).flatMap((server) => {
    const runs = join(servers, server, 'runs')
    return existsSync(runs) ? readdirSync(runs) : []
  })
}
