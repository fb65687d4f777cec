import { type Command, InvalidArgumentError } from 'commander'
import { bytesText, parseBytes, parseDuration, timeText } from './format.js'
import { type Column, table } from './table.js'
import type { Terminal } from './terminal.js'
import { examples, type Work, word } from './word.js'

interface PruneOptions {
  readonly maxBytes?: number
  readonly olderThan?: number
}

const COLUMNS: readonly Column[] = [
  { title: 'MODEL', keep: 'always' },
  { title: 'SIZE', keep: 'always' },
  { title: 'LAST USED', keep: 'whole' },
  { title: 'PATH' },
]

/** The words on the model cache. */
export function cacheWords(program: Command, terminal: Terminal): void {
  const cache = program.command('cache').description('Look at the models kept on this machine, and remove some')
  word(cache.command('info').description('Show what the cache holds'), terminal, async ({ client, answer }) => {
    const { dir, bytes, entries } = await client.cacheInfo()
    const rows = entries.map(({ name, bytes, usedAt, path }) => [name, bytesText(bytes), timeText(usedAt), path])
    answer({ dir, bytes, entries }, () =>
      [
        `${dir}: ${entries.length} models, ${bytesText(bytes)}`,
        ...(rows.length > 0 ? [table(COLUMNS, rows, terminal)] : []),
      ].join('\n'),
    )
  })
  const prune = cache
    .command('prune')
    .description('Remove models from the cache, those unused for longest first')
    .option('--max-bytes <size>', 'what may stay, e.g. 2GB', size)
    .option('--older-than <time>', 'what was not used for so long goes, e.g. 30d', duration)
  word<PruneOptions>(prune, terminal, pruneCache)
  examples(prune, 'cairn-ml cache prune --older-than 30d', 'cairn-ml cache prune --max-bytes 2GB')
}

async function pruneCache({ client, options, answer }: Work<PruneOptions>): Promise<void> {
  const pruned = await client.pruneCache({ maxBytes: options.maxBytes, olderThanMs: options.olderThan })
  answer(pruned, () => `Removed ${pruned.removed} models, ${bytesText(pruned.bytes)}.`)
}

function size(text: string): number {
  const bytes = parseBytes(text)
  if (bytes !== undefined) return bytes
  throw new InvalidArgumentError('It must be a size like 500MB or 2GB.')
}

function duration(text: string): number {
  const ms = parseDuration(text)
  if (ms !== undefined) return ms
  throw new InvalidArgumentError('It must be a time like 12h, 30d or 2w.')
}
