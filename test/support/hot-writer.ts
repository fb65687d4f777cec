import { fileTransport } from '../../src/transport/file/file.js'

/** Logs to one run until it is killed, in a loop that never yields: ROOT RUN_ID. */
const [root = '', run_id = ''] = process.argv.slice(2)
const { logBatchNow } = fileTransport({ root })
const points = (from: number) =>
  Array.from({ length: 1000 }, (_, at) => ({
    key: at % 3 ? 'loss' : 'a/b',
    value: Math.sin(from + at),
    timestamp: 1_700_000_000_000 + from,
    step: from + at,
  }))
process.stdout.write('ready\n')
for (let from = 0; ; from += 1000) logBatchNow({ run_id, metrics: points(from) })
