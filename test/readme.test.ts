import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, it } from 'vitest'
import * as cairn from '../src/index.js'
import { tempDir } from './support/temp-dir.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const blocks = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code ?? '')

/** Runs a block as a file of a user's; the library is the one in `src`. */
async function run(code: string, cwd: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const file = join(cwd, 'block.mjs')
  writeFileSync(file, code)
  const env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(MLFLOW|CAIRN|VITEST|NODE_)/.test(name))),
    TSX_TSCONFIG_PATH: join(root, 'tsconfig.json'),
    CAIRN_CACHE_DIR: join(cwd, 'cache'),
  }
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), file], { cwd, env })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text) => {
    stdout += text
  })
  child.stderr.on('data', (text) => {
    stderr += text
  })
  return { code: await new Promise((resolve) => child.on('close', resolve)), stdout, stderr }
}

it('begins with the example of that name', () => {
  expect(blocks[0]).toBe(readFileSync(join(root, 'examples/readme.mjs'), 'utf8'))
})

it('shows in each block what that prints, one after the other in one folder', async () => {
  const cwd = tempDir()
  const said: string[] = []
  const [start = '', runs = '', models = '', registry = ''] = blocks
  for (const block of [start, runs, `${models}\n${registry}`]) {
    const { code, stdout, stderr } = await run(block, cwd)
    expect(code, `${block}\n${stderr}`).toBe(0)
    said.push(stdout)
  }
  expect(said[0]).toBe('{ loss: 1.8333323787185533e-9 }\n')
  expect(readme).toContain(said[0]?.trim())
  expect(said[1]).toBe('0.1 1.000\n')
  expect(said[2]).toMatch(/^\[ \{ churns: true \}, \{ churns: false \} \]\n/)
  expect(said[2]).toContain('models:/churn/Production true\nmodels:/churn/latest true\n')
  expect(said[2]).toContain("NothingToRollBackError\n[ [ '1', 'Production', 'ada' ] ]\n")
})

it('shows in each block what strict TypeScript takes as well', () => {
  const cwd = tempDir()
  const [start = '', runs = '', models = '', registry = ''] = blocks
  const files = [start, runs, `${models}\n${registry}`].map((block, index) => {
    const file = join(cwd, `block${index}.mts`)
    writeFileSync(file, block)
    return file
  })
  const program = ts.createProgram(files, {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    module: ts.ModuleKind.NodeNext,
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
    paths: { 'cairn-ml': [join(root, 'src/index.ts')] },
  })
  const wrong = files.flatMap((file) => ts.getPreEmitDiagnostics(program, program.getSourceFile(file)))
  expect(wrong.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([])
})

it('links to nothing that is not there, and is read in one sitting', () => {
  for (const [, link = ''] of readme.matchAll(/\]\(([^)#]+)\)/g))
    if (!/^https?:/.test(link)) expect(existsSync(join(root, link)), link).toBe(true)
  for (const [path = ''] of readme.matchAll(/(?:examples|src|test)\/[\w./-]+\w/g))
    expect(existsSync(join(root, path)), path).toBe(true)
  expect(readme.split('\n').length).toBeLessThanOrEqual(200)
})

it('says of every error what to do', () => {
  const table = readme.slice(readme.indexOf('## Errors'))
  const lacking = Object.keys(cairn).filter((name) => name.endsWith('Error') && !table.includes(`\`${name}\``))
  expect(lacking).toEqual([])
})

it('names every word of package.json that it shows', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  for (const [, word = ''] of readme.matchAll(/npm (?:run )?(quickstart|test|bench)\b/g))
    expect(scripts).toHaveProperty(word)
})

it('has a line for who wants to see it, and one for who wants to change it', () => {
  for (const line of ['npm install && npm run quickstart', 'npm install && npm test'])
    expect(readme.split('\n')).toContain(line)
})
