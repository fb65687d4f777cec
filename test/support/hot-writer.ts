import { openSync, writeSync } from 'node:fs'
import { fileTransport } from '../../src/transport/file/file.js'

/** Logs to one run until it is killed, in a loop that never yields, and notes how many points it has logged: ROOT RUN_ID NOTES. */
const [root = '', run_id = '', notes = ''] = process.argv.slice(2)
const { logBatchNow } = fileTransport({ root })
const points = (from: number) =>
  Array.from({ length: 1000 }, (_, at) => ({
    key: at % 3 ? 'loss' : 'a/b',
    value: Math.sin(from + at),
    timestamp: 1_700_000_000_000 + from,
    step: from + at,
  }))
const noted = openSync(notes, 'w')
process.stdout.write('ready\n')
for (let from = 0; ; from += 1000) {
  logBatchNow({ run_id, metrics: points(from) })
  writeSync(noted, String(from + 1000), 0)
}
