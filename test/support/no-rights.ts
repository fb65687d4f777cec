import { spawnSync } from 'node:child_process'
import type { ChildOptions } from './child.js'

const COMMAND = ['setpriv', '--bounding-set=-all', '--inh-caps=-all']

/** How a child is run that may only do what modes of files allow, which root otherwise stands above. */
export const noRights: Pick<ChildOptions, 'under'> = process.getuid?.() === 0 ? { under: COMMAND } : {}

/** Whether a child can be run so. */
export const canLoseRights =
  process.getuid?.() !== 0 || spawnSync(COMMAND[0]!, [...COMMAND.slice(1), 'true']).status === 0
