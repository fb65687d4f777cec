import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const src = fileURLToPath(new URL('../src', import.meta.url))

/** From the ground up: a room sees the floors below its own, and none beside it. */
const floors = [
  ['errors'],
  ['core'],
  ['disk', 'http', 'host'],
  ['transport', 'artifacts', 'spool'],
  ['tracking', 'registry', 'models'],
  ['resolve'],
  ['run', 'sync', 'doctor'],
  ['settings'],
  ['wire'],
  ['client'],
  ['fluent'],
  ['server'],
  ['index', 'testing'],
  ['cli'],
]

/** The rooms that may touch a device, or hold a library that is kept in one place. */
const holders: Record<string, string[]> = {
  'node:fs': ['disk'],
  'node:fs/promises': ['disk'],
  'node:child_process': ['host'],
  undici: ['http'],
  pino: ['wire'],
  'js-yaml': ['core'],
  commander: ['cli'],
  hono: ['server'],
  '@hono/node-server': ['server'],
  preact: ['server'],
  uplot: ['server'],
}

/** What takes longer to load than all of ours: never by merely importing the package. */
const heavy = ['undici', 'zod', 'pino', 'fast-glob', 'tar', 'js-yaml', 'commander', 'hono', '@hono/node-server']

interface Import {
  readonly from: string
  /** `lazy` is `import()`; `type` is gone when the code runs. */
  readonly kind: 'value' | 'type' | 'lazy'
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => /\.tsx?$/.test(file))
  .sort()
const trees = new Map(
  files.map((file) => [file, ts.createSourceFile(file, readFileSync(join(src, file), 'utf8'), ts.ScriptTarget.Latest)]),
)
const tree = (file: string): ts.SourceFile => trees.get(file)!
/** A file and the folder of its name are one room. */
const room = (file: string): string => file.split('/')[0]!.replace(/\.ts$/, '')
const floor = (file: string): number => floors.findIndex((rooms) => rooms.includes(room(file)))
const target = (file: string, from: string): string => join(dirname(file), from).replace(/\.js$/, '.ts')

function nodes(root: ts.Node): ts.Node[] {
  const found: ts.Node[] = []
  const visit = (node: ts.Node) => {
    found.push(node)
    ts.forEachChild(node, visit)
  }
  visit(root)
  return found
}

const text = (node: ts.Node | undefined): string => (node && ts.isStringLiteralLike(node) ? node.text : '')

function importOf(node: ts.Node): Import | undefined {
  if (ts.isImportDeclaration(node))
    return { from: text(node.moduleSpecifier), kind: node.importClause?.isTypeOnly ? 'type' : 'value' }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier)
    return { from: text(node.moduleSpecifier), kind: node.isTypeOnly ? 'type' : 'value' }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
    return { from: text(node.arguments[0]), kind: 'lazy' }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
    return { from: text(node.argument.literal), kind: 'type' }
  return undefined
}

const imports = (file: string): Import[] => nodes(tree(file)).flatMap((node) => importOf(node) ?? [])

/** Where in a file something stands, as a reader finds it. */
const lines = (file: string, is: (node: ts.Node) => boolean): string[] =>
  nodes(tree(file))
    .filter(is)
    .map((node) => `${file}:${tree(file).getLineAndCharacterOfPosition(node.getStart(tree(file))).line + 1}`)

const named = (node: ts.Node, name: string): boolean => ts.isIdentifier(node) && node.text === name

describe('the house', () => {
  it('has a floor for every file', () => {
    expect(files.filter((file) => floor(file) < 0)).toEqual([])
  })

  it.each(files)('%s looks only down', (file) => {
    const strays = imports(file)
      .filter(({ from }) => from.startsWith('.'))
      .map(({ from }) => target(file, from))
      .filter((other) => room(other) !== room(file) && floor(other) >= floor(file))
    expect(strays).toEqual([])
  })

  it.each(Object.entries(holders))('keeps %s in %j', (name, rooms) => {
    const strays = files.filter(
      (file) => !rooms.includes(room(file)) && imports(file).some(({ from }) => from === name),
    )
    expect(strays).toEqual([])
  })

  it('reads the environment in settings.ts alone', () => {
    const reads = (node: ts.Node) =>
      ts.isPropertyAccessExpression(node) && named(node.expression, 'process') && named(node.name, 'env')
    const others = files.filter((file) => file !== 'settings.ts')
    expect(others.flatMap((file) => lines(file, reads))).toEqual([])
    expect(others.filter((file) => imports(file).some(({ from }) => /^(node:)?process$/.test(from)))).toEqual([])
  })

  it('keeps core/ pure: no clock, no chance, no timer', () => {
    const impure = /^(Date\.now|performance\.now|Math\.random|setTimeout|setInterval|setImmediate|fetch)$/
    const calls = (node: ts.Node, file: string) =>
      (ts.isCallExpression(node) && impure.test(node.expression.getText(tree(file)))) ||
      (ts.isNewExpression(node) && named(node.expression, 'Date') && !node.arguments?.length)
    const core = files.filter((file) => room(file) === 'core')
    expect(core.flatMap((file) => lines(file, (node) => calls(node, file)))).toEqual([])
  })

  it('speaks through a logger, never through console', () => {
    const speaks = (node: ts.Node) => ts.isPropertyAccessExpression(node) && named(node.expression, 'console')
    expect(files.flatMap((file) => lines(file, speaks))).toEqual([])
  })

  it('loads no two files of its own at once: the loader of Jest fails where they share a chunk', () => {
    const loads = (node: ts.Node) => importOf(node)?.kind === 'lazy' && importOf(node)?.from.startsWith('.') === true
    const atOnce = (node: ts.Node) => ts.isArrayLiteralExpression(node) && node.elements.some(loads)
    expect(files.flatMap((file) => lines(file, atOnce))).toEqual([])
  })

  it('has no any', () => {
    expect(files.flatMap((file) => lines(file, (node) => node.kind === ts.SyntaxKind.AnyKeyword))).toEqual([])
  })
})

describe.skipIf(!existsSync(join(src, 'index.ts')))('index.ts', () => {
  it('holds named re-exports and nothing else', () => {
    const others = tree('index.ts').statements.filter(
      (statement) => !(ts.isExportDeclaration(statement) && statement.exportClause && statement.moduleSpecifier),
    )
    expect(others.map((statement) => statement.getText(tree('index.ts')))).toEqual([])
  })

  it('loads no heavy package before it is needed', () => {
    const ways = new Map([['index.ts', 'index.ts']])
    const loads: string[] = []
    for (const [file, way] of ways)
      for (const { from, kind } of imports(file)) {
        if (kind !== 'value') continue
        if (heavy.includes(from)) loads.push(`${way} → ${from}`)
        const next = target(file, from)
        if (trees.has(next) && !ways.has(next)) ways.set(next, `${way} → ${next}`)
      }
    expect(loads).toEqual([])
  })
})
