import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { IntegrityError, NotFoundError, PermissionDeniedError, UnsafePathError } from '../../../src/errors.js'
import { node } from '../../../src/models/flavors/node.js'
import { linearModule } from '../../support/linear-models.js'
import { tempDir } from '../../support/temp-dir.js'

const flavor = node()

async function saved(code: string, module = 'model.mjs') {
  const source = tempDir()
  writeFileSync(join(source, module), code)
  const dir = tempDir()
  return { dir, ...(await flavor.save({ dir: source, module }, dir, {})) }
}

it('no code runs without allowCode, and the error names it', async () => {
  const { dir, config } = await saved('globalThis.ranUnasked = true; export const load = () => ({ predict: (x) => x })')
  const refused = flavor.load(dir, config, {})
  await expect(refused).rejects.toThrow(PermissionDeniedError)
  await expect(refused).rejects.toThrow('allowCode: true')
  expect(globalThis).not.toHaveProperty('ranUnasked')
})

it('a CommonJS module loads too, and its dispose is called', async () => {
  const { dir, config } = await saved(
    'exports.load = (dir) => ({ gone: false, predict: () => [{ dir }], dispose() { this.gone = true } })',
    'model.cjs',
  )
  const loaded = await flavor.load(dir, config, { allowCode: true })
  expect(await loaded.predict([{}])).toEqual([{ dir: join(dir, 'data') }])
  await loaded.dispose()
  expect(loaded.native).toMatchObject({ gone: true })
})

it.each([
  ['../model.mjs', UnsafePathError],
  ['/etc/passwd', UnsafePathError],
  ['sub\\model.mjs', UnsafePathError],
  ['absent.mjs', NotFoundError],
])('the module %s is refused, when saved and when loaded', async (module, kind) => {
  const { dir } = linearModule()
  await expect(flavor.save({ dir, module }, tempDir(), {})).rejects.toThrow(kind)
  const { dir: folder } = await saved('export const load = 1')
  await expect(flavor.load(folder, { data: 'data', module }, { allowCode: true })).rejects.toThrow(kind)
})

it('a link out of the folder is not packaged', async () => {
  const { dir, module } = linearModule()
  symlinkSync('/etc/passwd', join(dir, 'secrets'))
  await expect(flavor.save({ dir, module }, tempDir(), {})).rejects.toThrow(UnsafePathError)
})

it('the folder is packaged whole', async () => {
  const { dir, module } = linearModule()
  mkdirSync(join(dir, 'node_modules', 'dep'), { recursive: true })
  writeFileSync(join(dir, 'node_modules', 'dep', 'index.js'), 'exports.two = 2')
  writeFileSync(join(dir, 'node_modules', 'dep', 'package.json'), '{"name":"dep","main":"index.js"}')
  writeFileSync(
    join(dir, module),
    'import dep from "dep"; export const load = () => ({ predict: () => [{ two: dep.two }] })',
  )
  const to = tempDir()
  const { config } = await flavor.save({ dir, module }, to, {})
  const loaded = await flavor.load(to, config, { allowCode: true })
  expect(await loaded.predict([{}])).toEqual([{ two: 2 }])
})

it('a module that keeps not to its form is an IntegrityError', async () => {
  for (const code of ['export const load = 5', 'export const load = () => null', 'export const load = () => ({})']) {
    const { dir, config } = await saved(code)
    await expect(flavor.load(dir, config, { allowCode: true })).rejects.toThrow(IntegrityError)
  }
  await expect(flavor.load(tempDir(), {}, { allowCode: true })).rejects.toThrow(IntegrityError)
})
