import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { IntegrityError, InvalidParameterError, NotFoundError } from '../../../src/errors.js'
import { fileTransport } from '../../../src/transport/file/file.js'
import { checkModelFolder } from '../../../src/transport/file/model-folder.js'
import { tempDir } from '../../support/temp-dir.js'

const LAKE = 's3://lake/models/churn'

async function store(models: Readonly<Record<string, number>> = { churn: 1 }) {
  const root = join(tempDir(), 'mlruns')
  const { call } = fileTransport({ root })
  for (const [name, versions] of Object.entries(models)) {
    await call('createRegisteredModel', { name })
    for (let i = 0; i < versions; i++) await call('createModelVersion', { name, source: LAKE })
  }
  return { root, call, at: (...path: string[]) => join(root, 'models', ...path) }
}

const names = (found: { registered_models: { name: string }[] }) => found.registered_models.map(({ name }) => name)

describe('registered models on disk', () => {
  it('lie where MLflow looks for them, in its own words', async () => {
    const { call, at } = await store()
    await call('setRegisteredModelTag', { name: 'churn', key: 'a/b', value: 'x\ny' })
    await call('setRegisteredModelAlias', { name: 'churn', alias: 'champion', version: '1' })
    expect(readFileSync(at('churn', 'tags', 'a', 'b'), 'utf8')).toBe('x\ny')
    expect(readFileSync(at('churn', 'aliases', 'champion'), 'utf8')).toBe('1')
    const meta = readFileSync(at('churn', 'version-1', 'meta.yaml'), 'utf8')
    expect(meta).toMatch(/^version: 1$/m)
    expect(meta).toMatch(/^current_stage: None$/m)
    expect(meta).toMatch(/^run_id: null$/m)
    expect(meta).toMatch(/^storage_location: s3:\/\/lake\/models\/churn$/m)
    expect(readFileSync(at('churn', 'meta.yaml'), 'utf8')).toMatch(/^name: churn$/m)
  })

  it('leave nothing of their making behind', async () => {
    const { call, root, at } = await store({ a: 2, b: 0 })
    await call('renameRegisteredModel', { name: 'a', new_name: 'c' })
    await call('deleteRegisteredModel', { name: 'b' })
    expect(readdirSync(at()).sort()).toEqual(['c'])
    expect(readdirSync(at('c')).sort()).toEqual(['meta.yaml', 'version-1', 'version-2'])
    const staging = readdirSync(join(root, '.cairn.trash'))
    expect(staging).toEqual(['locks'])
    expect(readdirSync(join(root, '.cairn.trash', 'locks'))).toEqual([])
  })

  it('keep what others wrote into meta.yaml', async () => {
    const { call, at } = await store()
    for (const file of [at('churn', 'meta.yaml'), at('churn', 'version-1', 'meta.yaml')])
      writeFileSync(file, `${readFileSync(file, 'utf8')}workspace: default\nodd:\n  - 1\n  - 'yes'\n`)
    await call('updateRegisteredModel', { name: 'churn', description: 'new' })
    await call('transitionModelVersionStage', {
      name: 'churn',
      version: '1',
      stage: 'Staging',
      archive_existing_versions: false,
    })
    for (const file of [at('churn', 'meta.yaml'), at('churn', 'version-1', 'meta.yaml')])
      expect(readFileSync(file, 'utf8')).toMatch(/^odd:\n- 1\n- 'yes'\n[\s\S]*^workspace: default$/m)
  })

  it('that cannot be read fail alone, naming the file, and no search', async () => {
    const { call, at } = await store({ empty: 1, missing: 1, torn: 1, list: 1, whole: 1 })
    writeFileSync(at('empty', 'meta.yaml'), '')
    rmSync(at('missing', 'meta.yaml'))
    writeFileSync(at('torn', 'meta.yaml'), 'name: torn\ndescription: "no end')
    writeFileSync(at('list', 'meta.yaml'), '- a\n- b\n')
    mkdirSync(at('nothing'))
    writeFileSync(at('a file'), '')
    expect(names(await call('searchRegisteredModels', {}))).toEqual(['whole'])
    for (const name of ['empty', 'missing', 'torn', 'list', 'nothing']) {
      const reading = call('getRegisteredModel', { name })
      await expect(reading, name).rejects.toBeInstanceOf(IntegrityError)
      await expect(reading, name).rejects.toThrow(at(name, 'meta.yaml'))
    }
  })

  it('show the versions that can be read; a broken one fails alone, and its number stays taken', async () => {
    const { call, at } = await store({ churn: 3 })
    rmSync(at('churn', 'version-3', 'meta.yaml'))
    writeFileSync(at('churn', 'version-2', 'meta.yaml'), '')
    mkdirSync(at('churn', 'version-x'))
    const { registered_model: model } = await call('getRegisteredModel', { name: 'churn' })
    expect(model.latest_versions.map(({ version }) => version)).toEqual(['1'])
    const found = await call('searchModelVersions', {})
    expect(found.model_versions.map(({ version }) => version)).toEqual(['1'])
    for (const version of ['2', '3'])
      await expect(call('getModelVersion', { name: 'churn', version })).rejects.toBeInstanceOf(IntegrityError)
    const made = await call('createModelVersion', { name: 'churn', source: LAKE })
    expect(made.model_version.version).toBe('4')
  })

  it('do not reuse the number of a folder that another program has just made', async () => {
    const { call, at } = await store()
    mkdirSync(at('churn', 'version-2'))
    const made = await call('createModelVersion', { name: 'churn', source: LAKE })
    expect(made.model_version.version).toBe('3')
    expect(readdirSync(at('churn', 'version-2'))).toEqual([])
  })

  it('go by the name of their folder where a rename was cut short', async () => {
    const { call, at } = await store()
    cpSync(at('churn'), at('renamed'), { recursive: true })
    rmSync(at('churn'), { recursive: true })
    expect((await call('getRegisteredModel', { name: 'renamed' })).registered_model.name).toBe('renamed')
    expect((await call('getModelVersion', { name: 'renamed', version: '1' })).model_version.name).toBe('renamed')
    await call('setModelVersionTag', { name: 'renamed', version: '1', key: 'k', value: 'v' })
    expect(readFileSync(at('renamed', 'meta.yaml'), 'utf8')).toMatch(/^name: renamed$/m)
  })

  it('that are links to folders elsewhere are read, and deleting one takes the link alone', async () => {
    const { call, root, at } = await store()
    cpSync(at('churn'), join(root, '..', 'elsewhere'), { recursive: true })
    symlinkSync(join(root, '..', 'elsewhere'), at('linked'))
    expect(names(await call('searchRegisteredModels', {}))).toEqual(['churn', 'linked'])
    await call('deleteRegisteredModel', { name: 'linked' })
    expect(existsSync(join(root, '..', 'elsewhere', 'meta.yaml'))).toBe(true)
    await expect(call('getRegisteredModel', { name: 'linked' })).rejects.toBeInstanceOf(NotFoundError)
  })

  it('answer a change of Python at once', async () => {
    const { call, at } = await store()
    await call('getRegisteredModel', { name: 'churn' })
    const file = at('churn', 'meta.yaml')
    writeFileSync(file, readFileSync(file, 'utf8').replace('description: null', 'description: by hand'))
    expect((await call('getRegisteredModel', { name: 'churn' })).registered_model.description).toBe('by hand')
  })

  it('never show a version in stage Deleted_Internal, whoever deleted it', async () => {
    const { call, at } = await store({ churn: 2 })
    const file = at('churn', 'version-2', 'meta.yaml')
    writeFileSync(file, readFileSync(file, 'utf8').replace('current_stage: None', 'current_stage: Deleted_Internal'))
    await expect(call('getModelVersion', { name: 'churn', version: '2' })).rejects.toBeInstanceOf(NotFoundError)
    const { registered_model: model } = await call('getRegisteredModel', { name: 'churn' })
    expect(model.latest_versions.map(({ version }) => version)).toEqual(['1'])
  })

  it('refuse a filter before they look at the disk', async () => {
    const { call } = fileTransport({ root: join(tempDir(), 'mlruns') })
    await expect(call('searchModelVersions', { filter: 'name =' })).rejects.toBeInstanceOf(InvalidParameterError)
  })
})

describe('names of registered models as folders', () => {
  it.each(['a%b', 'a\\b', 'a\0b', 'a\nb', '.', '..', 'ä'.repeat(128), 'a/b', 'a:b', ' '])('%j is refused', (name) => {
    expect(() => checkModelFolder(name)).toThrow(InvalidParameterError)
  })

  it.each(['.hidden', '...', 'CON', 'a b', 'ä'.repeat(127), '日本', 'yes', "it's", '-', '~', '*', 'a|b'])(
    '%j is taken where it is a folder name',
    (name) => {
      expect(checkModelFolder(name, 'linux')).toBe(name)
    },
  )

  it.each(['CON', 'nul.txt', 'com1', 'a.', 'a ', 'a?b', 'a|b'])('%j is refused on Windows, saying so', (name) => {
    expect(() => checkModelFolder(name, 'win32')).toThrow(/Windows/)
  })
})
