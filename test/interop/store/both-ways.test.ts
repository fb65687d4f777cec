import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { fileTransport } from '../../../src/transport/file/file.js'
import { tempDir } from '../../support/temp-dir.js'
import { type Dump, dump, settled } from './dump.js'
import { GENERATIONS, python, runPython } from './python.js'
import { spec } from './spec.js'
import { write } from './write.js'

const readBy = async (environment: (typeof GENERATIONS)[number], root: string): Promise<Dump> =>
  settled(await python<Dump>(environment, 'dump.py', root))
const readByUs = (root: string): Promise<Dump> => dump(fileTransport({ root }))

/** A dump without what no two stores share: ids become names, times of making go. */
function anonymous(given: Dump, root: string): Dump {
  let text = JSON.stringify(given).replaceAll(pathToFileURL(root).href, 'ROOT').replaceAll(root, 'ROOT')
  for (const kind of ['experiments', 'models', 'runs'] as const)
    for (const [id, { name, run_name }] of Object.entries(given[kind]))
      if (id !== '0') text = text.replaceAll(id, `${kind} ${encodeURIComponent(String(name ?? run_name))}`)
  const times = new Set(['creation_time', 'last_update_time', 'creation_timestamp', 'last_updated_timestamp'])
  return settled(JSON.parse(text, (key, value) => (times.has(key) ? undefined : value)))
}

describe.each(GENERATIONS)('one store, MLflow "%s" and Cairn:', (environment) => {
  const things = spec(environment === 'latest')
  let theirs = ''
  let ours = ''
  let byThem: Dump
  let byUs: Dump
  beforeAll(async () => {
    theirs = join(tempDir(), 'mlruns')
    ours = join(tempDir(), 'mlruns é 100%')
    await python(environment, 'write.py', theirs, things)
    await write(fileTransport({ root: ours }), things)
    byThem = await readByUs(theirs)
    byUs = await readByUs(ours)
  })

  it('what Python wrote, we read as Python does', async () => {
    expect(Object.keys(byThem.runs)).toHaveLength(things.runs.length)
    expect(byThem).toEqual(await readBy(environment, theirs))
  })
  it('what we wrote, Python reads as we do', async () => {
    expect(Object.keys(byUs.runs)).toHaveLength(things.runs.length)
    expect(await readBy(environment, ours)).toEqual(byUs)
  })
  it('what a training script of Python leaves, we read as Python does', async () => {
    const root = join(tempDir(), 'mlruns')
    await python(environment, 'fluent.py', root)
    const found = await readByUs(root)
    expect(found).toEqual(await readBy(environment, root))
    expect(
      Object.values(found.runs)
        .map(({ run_name, status }) => `${run_name} ${status}`)
        .sort(),
    ).toEqual([
      ...[
        'fails FAILED',
        'fold 0 FINISHED',
        'fold 1 FINISHED',
        'fold 2 FINISHED',
        'left open KILLED',
        'parent FINISHED',
      ],
    ])
  })
  it('both wrote the same', () => {
    expect(anonymous(byUs, ours)).toEqual(anonymous(byThem, theirs))
  })
  it('nothing of ours lies where Python takes files for keys, runs or models', () => {
    const stray = readdirSync(ours, { recursive: true, encoding: 'utf8' }).filter((path) => /\.cairn-/.test(path))
    expect(stray.filter((path) => statSync(join(ours, path)).isFile())).toEqual([])
    expect(readdirSync(ours).filter((name) => !/^(?:\d+|models|\.trash|\.cairn\.trash)$/.test(name))).toEqual([])
  })
  it('what Python changes in our store, we see; deleted runs that it purges are gone', async () => {
    const store = fileTransport({ root: ours })
    const { call } = store
    // All is known before, so that it is the changes that are seen.
    await dump(store)
    const [first] = Object.entries(byUs.runs).find(([, { run_name }]) => run_name === 'all there is') ?? []
    const said = await python<{ deleted: string }>(environment, 'change.py', ours, first ?? '')
    const { run } = await call('getRun', { run_id: first ?? '' })
    expect(run.info).toMatchObject({ run_name: 'renamed: yes', status: 'KILLED' })
    expect(run.data.tags).toContainEqual({ key: 't0', value: 'changed' })
    expect(run.data.tags.map(({ key }) => key)).not.toContain('t1')
    expect(run.data.metrics.find(({ key }) => key === 'latest')?.value).toBe(-1)
    const uri = pathToFileURL(ours).href
    await runPython(environment, ['-m', 'mlflow', 'gc', '--backend-store-uri', uri], { MLFLOW_TRACKING_URI: uri })
    await expect(call('getRun', { run_id: said.deleted })).rejects.toThrow(/There is no run/)
    const names = Object.values((await readByUs(ours)).runs).map(({ run_name }) => run_name)
    expect(names).not.toContain('deleted')
    expect(await dump(store)).toEqual(await readBy(environment, ours))
  })
})
