import { readFileSync } from 'node:fs'
import { afterAll, expect, it } from 'vitest'

const FILES = {
  bench: 'bench/spool.ts',
  canary: 'http/canary.test.ts',
  credentials: 'spool/credentials.test.ts',
  disk: 'spool/disk.test.ts',
  ending: 'spool/ending.test.ts',
  elders: 'spool/elders.test.ts',
  faults: 'spool/faults.test.ts',
  interop: 'interop/faults.test.ts',
  kills: 'spool/kills.test.ts',
  limits: 'spool/limits.test.ts',
  log: 'spool/log.test.ts',
  many: 'spool/many.test.ts',
  matrix: 'spool/matrix.test.ts',
  million: 'spool/million.test.ts',
  network: 'spool/network.test.ts',
  noFolder: 'spool/no-folder.test.ts',
  offline: 'spool/offline.test.ts',
  owners: 'spool/owners.test.ts',
  processes: 'spool/processes.test.ts',
  proxy: 'http/proxy.test.ts',
  real: 'interop/spool.test.ts',
  remade: 'spool/remade.test.ts',
  retry: 'transport/retry.test.ts',
  runs: 'contract/tracking/runs.ts',
  send: 'http/send.test.ts',
  server: 'spool/server.test.ts',
  soak: 'soak/run.ts',
  store: 'transport/file/processes.test.ts',
  storeKilled: 'transport/file/killed.test.ts',
  storeKills: 'interop/store/kills.test.ts',
  storeTogether: 'interop/store/together.test.ts',
  tls: 'http/tls.test.ts',
  together: 'spool/together.test.ts',
  wild: 'transport/file/wild.test.ts',
} as const

type Place = readonly [keyof typeof FILES, string]

/** Every fault of a logging process, and where it is tested: a file, and words of the test. */
const ROWS: readonly (readonly [number, string, ...Place[]])[] = [
  [
    1,
    'SIGKILL at a random time',
    ['kills', 'logged more than 10 ms before a kill'],
    ['soak', 'async kills()'],
    ['matrix', "'SIGKILL'"],
  ],
  [2, 'SIGKILL at every write, rename, link', ['kills', 'at any write, rename or link'], ['soak', 'async moments()']],
  [
    3,
    'SIGTERM, server up',
    ['matrix', "'SIGTERM'"],
    ['ending', 'died of it'],
    ['ending', 'with two copies of Cairn dies of its signal'],
  ],
  [4, 'SIGTERM, server down', ['ending', 'while the server is away keeps all on disk']],
  [5, 'SIGINT twice', ['ending', 'by a second SIGINT does not wait'], ['matrix', "'SIGINT'"]],
  [6, 'process.exit right after a call', ['matrix', 'process.exit(0)'], ['ending', 'by process.exit(3)']],
  [7, 'uncaught error, unhandled rejection', ['matrix', 'uncaught error'], ['matrix', 'unhandled rejection']],
  [8, 'abort, out of memory', ['matrix', 'abort()'], ['matrix', 'out of memory']],
  [
    9,
    'worker ends, fork',
    ['matrix', 'a worker thread ends'],
    ['matrix', 'a forked child exits'],
    ['together', 'forked after the start'],
  ],
  [10, 'event loop blocked', ['matrix', 'event loop blocked for 3 s'], ['processes', 'is followed live by its server']],
  [11, 'SIGSTOP, SIGCONT', ['matrix', 'SIGSTOP for three seconds']],
  [
    12,
    'full disk',
    ['processes', 'that is full: what is logged goes straight to the server'],
    ['disk', 'and a server that is silent: the process goes at once into its end'],
  ],
  [
    13,
    'EFBIG, EDQUOT, EIO',
    ['disk', 'with EIO'],
    ['disk', 'with EDQUOT'],
    ['disk', 'with EFBIG'],
    ['disk', 'may write only short files'],
  ],
  [14, 'short write', ['disk', 'take a part of which nothing is there'], ['disk', 'in the middle of a record']],
  [15, 'no descriptors left', ['processes', 'without file descriptors left %s']],
  [
    16,
    'read-only disk, closed folder',
    ['disk', 'because its disk is read only'],
    ['disk', 'because we may not write there'],
  ],
  [
    17,
    'spool removed, or a link in its place',
    ['processes', 'that is removed while the run goes on'],
    ['disk', 'a link stands where'],
    ['noFolder', 'of a run that is taken away while the server is away'],
    ['remade', 'is made anew where what removed it has left something'],
  ],
  [
    18,
    'torn tail, flipped bits, NULs',
    ['log', 'cut at any byte'],
    ['log', 'with a damaged byte'],
    ['log', 'never makes its reader throw'],
  ],
  [19, 'processes in one spool', ['together', 'processes that share a spool'], ['processes', 'delivered once by two']],
  [
    20,
    'dead owner whose pid lives',
    ['owners', 'one whose pid is another process now'],
    ['owners', 'leave the runs of those that live alone'],
  ],
  [
    21,
    'clock back, forward',
    ['matrix', 'clock an hour back'],
    ['matrix', 'clock ten years ahead'],
    ['owners', 'by the clock of the disk'],
    ['elders', 'whose folders are out of order'],
  ],
  [
    22,
    'connection refused for long',
    ['server', 'is tried a few times at first'],
    ['million', 'while the server is away'],
    ['matrix', 'connection refused three times'],
  ],
  [23, 'packets swallowed', ['network', 'is knocked at by few at a time']],
  [
    24,
    'reset before, within, after a request',
    ['interop', 'reset after headers'],
    ['faults', 'a connection that breaks before'],
    ['retry', 'is one run after'],
  ],
  [25, 'answer swallowed', ['matrix', 'answer swallowed three times'], ['retry', 'is one version after a lost answer']],
  [26, 'every request twice', ['interop', 'every request delivered twice leaves one row']],
  [
    27,
    '429 with any Retry-After',
    ['matrix', '429, Retry-After 1'],
    ['matrix', 'garbage'],
    ['matrix', 'a date gone by'],
    ['server', 'of %s ms has %d'],
  ],
  [
    28,
    'odd status',
    ['matrix', '502, 503, 504'],
    ['matrix', '501, 505, 511'],
    ['matrix', "'302'"],
    ['network', 'nothing has changed (304)'],
    ['network', 'information before it'],
  ],
  [
    29,
    '200 with anything but an answer',
    ['network', 'has taken nothing: all waits in little memory'],
    ['network', 'a bomb of gzip'],
  ],
  [
    30,
    'slow answers',
    ['network', 'with an answer of a byte now and then'],
    ['send', 'of a body that comes byte by byte'],
  ],
  [
    31,
    'half-closed connection',
    ['interop', 'keep-alive closed'],
    ['send', 'is replaced unseen for an idempotent request'],
  ],
  [32, 'server restarted, frozen', ['matrix', 'frozen for three seconds'], ['real', 'is killed and started again']],
  [33, 'redirects', ['network', 'redirects: nobody else is told anything']],
  [
    34,
    'token that no header can carry',
    ['network', 'tokens with a line break'],
    ['credentials', 'a token that no header can carry'],
    ['canary', 'comes out nowhere'],
  ],
  [
    35,
    'credentials in the address',
    ['network', 'an address with a password is never shown'],
    ['processes', 'holds no credentials'],
  ],
  [
    36,
    'bad certificates',
    ['network', 'a certificate of somebody else'],
    ['credentials', 'a certificate that is not there'],
    ['tls', 'takes any certificate only when asked to'],
  ],
  [
    37,
    'proxies',
    ['network', 'a proxy that answers %d'],
    ['credentials', 'a proxy of another kind'],
    ['proxy', 'SOCKS'],
  ],
  [
    38,
    'params changed, doubled, long, many',
    ['faults', 'is only what is wrong'],
    ['together', "attempt('conflict'"],
    ['limits', 'at most 200 metrics'],
  ],
  [
    39,
    'odd values',
    ['together', 'what is odd arrives as it is'],
    ['log', 'keeps every number, key, model and dataset'],
  ],
  [40, 'odd keys', ['together', "attempt('key'"], ['runs', "'a#b', 'a%2e'"]],
  [41, 'a million points in a loop', ['soak', "'a million points'"], ['bench', 'logMetric']],
  [42, 'a million points, server away', ['million', 'delivers them once each']],
  [
    43,
    'many keys, many runs',
    ['many', 'ten thousand keys'],
    ['many', 'five hundred runs at once'],
    ['soak', 'async many()'],
  ],
  [
    57,
    'Python reads our store after a kill',
    ['storeKills', 'by the clock: all is found'],
    ['storeKilled', 'leaves whole lines'],
  ],
  [
    58,
    'we read a store after its crash',
    ['wild', 'with odd metric files'],
    ['wild', 'lists its other runs, and names that file'],
  ],
  [
    59,
    'processes in one store',
    ['store', 'that create one experiment at once get one'],
    ['store', 'that log to one run lose no point'],
    ['storeTogether', 'lose nothing: runs, points of a shared run'],
  ],
]

const table = ROWS.map(([row, fault, ...rest]) => ({ row, fault, places: rest as readonly Place[] }))

afterAll(() => {
  const files = (places: readonly Place[]) => [...new Set(places.map(([file]) => FILES[file]))].join(', ')
  const lines = table.map(({ row, fault, places }) => `${`${row}`.padStart(3)}  ${fault.padEnd(40)}  ${files(places)}`)
  process.stdout.write(`\n${lines.join('\n')}\n\n`)
})

it('every fault has its number', () => {
  expect(table.map(({ row }) => row)).toEqual([...Array.from({ length: 43 }, (_, at) => at + 1), 57, 58, 59])
})

it.each(table)('$row, $fault, is tested', ({ places }) => {
  expect(places.length).toBeGreaterThan(0)
  for (const [file, words] of places)
    expect(readFileSync(new URL(`../${FILES[file]}`, import.meta.url), 'utf8'), FILES[file]).toContain(words)
})
