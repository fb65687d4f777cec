/** What both writers (write.py, write.ts) put into a store, so that their stores can be compared. */
export interface Spec {
  readonly experiments: readonly { name: string; tags: Record<string, string>; fate: Fate; renamed?: string }[]
  readonly runs: readonly RunSpec[]
  readonly models: readonly ModelSpec[]
  readonly registered: readonly RegisteredSpec[]
}

/** What happens to a thing after it was made. */
export type Fate = 'stays' | 'deleted' | 'restored'

interface RunSpec {
  readonly key: string
  readonly experiment: number
  readonly parent?: string
  readonly tags: Record<string, string>
  readonly removedTags: readonly string[]
  readonly params: Record<string, string>
  /** Key, value as Python's `float()` reads it, timestamp, step. */
  readonly metrics: readonly (readonly [string, string, number, string])[]
  readonly datasets: readonly { name: string; digest: string; source: string; tags: Record<string, string> }[]
  readonly artifacts: Record<string, string>
  readonly status: 'FINISHED' | 'FAILED' | 'KILLED' | 'RUNNING'
  readonly fate: Fate
}

interface ModelSpec {
  readonly name: string
  readonly experiment: number
  readonly run: string
  readonly type: string
  readonly params: Record<string, string>
  readonly tags: Record<string, string>
  readonly status: 'READY' | 'FAILED'
  /** Key, value, timestamp, step, dataset. */
  readonly metrics: readonly (readonly [string, number, number, number, { name: string; digest: string } | null])[]
}

interface RegisteredSpec {
  readonly name: string
  readonly renamed?: string
  readonly description: string
  readonly tags: Record<string, string>
  readonly versions: readonly {
    run: string
    stage: string
    description: string
    tags: Record<string, string>
    deleted?: boolean
  }[]
  readonly aliases: Record<string, string>
}

/** Texts that a careless writer or reader of YAML makes something else of, and some that break lines and quotes. */
export const TRAPS = [
  ...['yes', 'No', 'on', 'OFF', 'true', 'null', 'Null', '~', 'NaN', '.nan', '.inf', '-.INF', '1e3', '1E+5', '.5', '5.'],
  ...['007', '0o7', '0x1F', '0b101', '1_000', '1:30:00', '12345678901234567890', '-1', '+1', '2001-01-01'],
  ...[
    '2001-12-14t21:59:43.10-05:00',
    '- dash',
    '-',
    '?',
    ': colon',
    'a: b',
    'a #b',
    '# hash',
    '!tag',
    '&anchor',
    '*alias',
  ],
  ...[
    '%percent',
    '@at',
    '`tick`',
    '{a: b}',
    '[a, b]',
    '| pipe',
    '> fold',
    '=',
    '<<',
    'quote " and \' both',
    '"quoted"',
  ],
  ...[
    "'single'",
    'back\\slash',
    'tab\there',
    'a "b": c',
    'ünïcödé',
    '日本語',
    '😀 🏳️‍🌈',
    'עברית',
    'e\u0301',
    '\u00a0nbsp',
  ],
  ...[
    'with space',
    'a/b/c',
    'CON',
    'nul',
    'aux.txt',
    'COM1',
    'dot.',
    '...',
    '%2F',
    '--- doc',
    '... end',
    'x'.repeat(200),
  ],
  ...[
    'word '.repeat(60).trim(),
    `${'日本 '.repeat(50)}x`,
    'a  double  space',
    'comma, and; semi',
    '$HOME',
    '<b>&amp;</b>',
  ],
] as const

/** Texts that are values but no names. */
const VALUES = [
  ...TRAPS,
  '',
  ' ',
  ' leading',
  'trailing ',
  'line\nbreak',
  '\n',
  'crlf\r\nline',
  'cr\rline',
  'end\n',
  '\ttab',
  'next\u0085line',
  'ls\u2028ps\u2029',
  '\ufeffbom',
  'bell\u0007',
  'del\u007f',
  '{"json": [1, "zwei"]}',
]

/** Keys of params, tags and metrics that every MLflow since 2.9 takes. */
const KEYS = [
  ...[
    'lr',
    'with space',
    'a/b/c',
    'a/b/d',
    'train/loss',
    'dash-and_under.dot',
    'yes',
    'null',
    '1e3',
    '007',
    '2001-01-01',
  ],
  ...[
    'CON',
    'nul',
    'aux.txt',
    'com1',
    '日本',
    'ünï',
    'UPPER',
    'upper',
    'x'.repeat(200),
    'trailing.dot.x',
    '.hidden',
    'meta.yaml',
  ],
]

const ODD = [
  ...['0.0', '-0.0', '1.0', '-1.5', '0.30000000000000004', '1e-308', '5e-324', '1.7976931348623157e+308', '1e-07'],
  ...[
    '1e+16',
    '9999999999999998.0',
    '1e+22',
    '123456789012345680.0',
    '0.0001',
    '9.999e-05',
    'nan',
    'inf',
    '-inf',
    '1e-05',
  ],
]
const STEPS = ['0', '-7', '9007199254740993', '9223372036854775807', '-9223372036854775808', '9007199254740992', '1']
const T = 1_700_000_000_000

/** A tag's name for each value, so that each value is there once. */
const numbered = (values: readonly string[], prefix: string) =>
  Object.fromEntries(values.map((value, index) => [`${prefix}${index}`, value]))

const plain = {
  tags: {},
  removedTags: [],
  params: {},
  metrics: [],
  datasets: [],
  artifacts: {},
  status: 'FINISHED' as const,
}

const bigRun: Omit<RunSpec, 'fate'> = {
  ...plain,
  key: 'all there is',
  experiment: 0,
  tags: { ...numbered(VALUES, 't'), ...Object.fromEntries(KEYS.map((key) => [key, `tag of ${key}`])), gone: 'x' },
  removedTags: ['gone'],
  params: { ...numbered(VALUES, 'p'), ...Object.fromEntries(KEYS.map((key) => [key, `param of ${key}`])) },
  metrics: [
    ...ODD.map((value, index) => ['odd', value, T + index, String(index)] as const),
    ...ODD.map((value, index) => [`odd${index}`, value, T, '0'] as const),
    ...STEPS.map((step, index) => ['steps', '1.0', T + index, step] as const),
    // Longer than some pages of a disk.
    ...Array.from({ length: 700 }, (_, index) => ['long', `${index}.25`, T + index, `${index}`] as const),
    ...KEYS.map((key, index) => [key, `${index}.5`, T, '3'] as const),
    // The same step and time twice, and an earlier one last: the latest is by step, time, value.
    ...(
      [
        ['0.5', 2, '4'],
        ['0.7', 2, '4'],
        ['0.6', 2, '4'],
        ['9.0', 1, '4'],
        ['nan', 2, '4'],
        ['99.0', 3, '1'],
      ] as const
    ).map(([value, time, step]) => ['latest', value, T + time, step] as const),
  ],
  datasets: [
    { name: 'iris', digest: 'abc123', source: '{"uri": "x.csv"}', tags: { 'mlflow.data.context': 'training' } },
    { name: 'my ds 日本', digest: '007', source: 's: x', tags: {} },
    { name: 'iris', digest: 'def', source: '{}', tags: { 'mlflow.data.context': 'eval', other: 'yes' } },
  ],
  artifacts: {
    'a.txt': 'text é',
    'with space/b c.txt': '',
    'deep/er/and/deeper.json': '{}',
    '日本/ü.txt': 'x',
    '100%.txt': '%',
  },
}

/** Loggers of points in each, deleted and restored, nested: all that MLflow keeps of runs. */
const runs: readonly RunSpec[] = [
  { ...bigRun, fate: 'stays' },
  { ...plain, key: 'parent', experiment: 1, fate: 'stays', status: 'RUNNING' },
  { ...plain, key: 'child', experiment: 1, parent: 'parent', fate: 'stays', status: 'FAILED' },
  { ...plain, key: 'grandchild', experiment: 1, parent: 'child', fate: 'stays', status: 'KILLED' },
  { ...plain, key: 'deleted', experiment: 1, fate: 'deleted', params: { a: '1' } },
  { ...plain, key: 'restored', experiment: 1, fate: 'restored', params: { a: '1' } },
  { ...plain, key: 'of a deleted experiment', experiment: 2, fate: 'stays', tags: { yes: 'no' } },
  { ...plain, key: 'of a restored experiment', experiment: 3, fate: 'stays' },
  ...TRAPS.map((name): RunSpec => ({ ...plain, key: name, experiment: 4, fate: 'stays' })),
]

/** Names of registered models, which are folders: what Windows cannot name, Cairn refuses. */
const NAMES = TRAPS.filter((name) => !/[/:.%\\\t]/.test(name) && name.length < 100)

/** Everything, for an MLflow that may know logged models. */
export const spec = (loggedModels: boolean): Spec => ({
  experiments: [
    { name: 'everything', tags: { ...numbered(VALUES, 'e'), 'mlflow.note.content': '**bold**' }, fate: 'stays' },
    { name: 'lifecycle', renamed: 'life: cycle', tags: {}, fate: 'stays' },
    { name: 'deleted', tags: { kept: 'yes' }, fate: 'deleted' },
    { name: 'restored', tags: {}, fate: 'restored' },
    { name: 'names', tags: {}, fate: 'stays' },
    // Python looks a name up by a filter, and stumbles over some with a single quote.
    ...TRAPS.filter((name) => !name.includes("'")).map((name) => ({
      name,
      tags: { is: name },
      fate: 'stays' as const,
    })),
  ],
  runs,
  models: loggedModels
    ? [
        {
          name: 'net',
          experiment: 0,
          run: 'all there is',
          type: 'onnx',
          params: { depth: '3', yes: 'no' },
          tags: { team: 'growth é', t: 'line\ntwo' },
          status: 'READY',
          metrics: [
            ['auc', 0.9, T, 3, null],
            // Step 0: in a run's file Python reads no other of a line that names a dataset.
            ['auc', 0.8, T + 1, 0, { name: 'iris', digest: 'abc123' }],
            ['rmse', 1e-7, T, 0, { name: 'iris', digest: 'abc123' }],
          ],
        },
        {
          name: '1e3',
          experiment: 0,
          run: 'all there is',
          type: 'yes',
          params: {},
          tags: {},
          status: 'FAILED',
          metrics: [],
        },
      ]
    : [],
  registered: [
    {
      name: 'churn',
      description: 'line\ntwo: "x" ü',
      tags: numbered(VALUES, 'r'),
      versions: [
        { run: 'all there is', stage: 'Archived', description: 'first', tags: { yes: 'no' } },
        { run: 'all there is', stage: 'Production', description: '', tags: numbered(VALUES, 'v') },
        { run: 'parent', stage: 'Staging', description: 'gone', tags: {}, deleted: true },
        { run: 'parent', stage: 'None', description: 'null', tags: {} },
      ],
      aliases: { champion: '2', challenger: '4' },
    },
    { name: 'before', renamed: 'after ü', description: '', tags: {}, aliases: {}, versions: [] },
    ...NAMES.map((name) => ({
      name,
      description: name,
      tags: { is: name },
      versions: [{ run: 'parent', stage: 'None', description: name, tags: { is: name } }],
      aliases: { best: '1' },
    })),
  ],
})
