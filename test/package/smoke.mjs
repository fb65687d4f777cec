// Packs the package and uses the tarball as strangers do: an ESM and a CJS project, on each Node that is supported.
// Usage: node test/package/smoke.mjs   (after npm run build; asks the npm registry for the other Nodes)
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

/** Script and style of the page, by gzip. */
const PAGE_BYTES = 75_000
const nodes = ['20.19.0', '20.20.2', '22.23.3', '24.21.0']
const root = fileURLToPath(new URL('../..', import.meta.url))
const here = fileURLToPath(new URL('.', import.meta.url))
const room = mkdtempSync(join(tmpdir(), 'cairn-smoke-'))
const clean = Object.entries(process.env).filter(([name]) => !/^(MLFLOW|CAIRN|NODE_OPTIONS)/.test(name))
const env = { ...Object.fromEntries(clean), CAIRN_CACHE_DIR: join(room, 'cache'), CAIRN_SPOOL_DIR: join(room, 'spool') }
let passed = 0
let failed = 0

function run(command, args, cwd = room) {
  return execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** One fact of the tarball: what a command prints on standard error counts as a failure too. */
function check(name, action) {
  try {
    action()
    passed++
    console.log(`ok    ${name}`)
  } catch (error) {
    failed++
    console.log(`FAIL  ${name}\n${error.stdout ?? ''}${error.stderr ?? ''}\n${error.message}`)
  }
}

function pack() {
  const [tarball] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', room], root))
  const allowed = /^(dist\/[\w.-]+|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/
  check('the tarball holds what is built and what is read, nothing else', () => {
    const strays = tarball.files.map((file) => file.path).filter((path) => !allowed.test(path))
    if (strays.length > 0) throw new Error(`not to be packed: ${strays.join(', ')}`)
    for (const path of [
      'LICENSE',
      'README.md',
      'dist/index.js',
      'dist/index.cjs',
      'dist/cli.js',
      'dist/server.js',
      'dist/search-worker.js',
      'dist/page.js',
    ])
      if (!tarball.files.some((file) => file.path === path)) throw new Error(`missing: ${path}`)
  })
  check('the page is small', () => {
    const sizes = ['page.js', 'page.css'].map((file) => [
      file,
      gzipSync(readFileSync(join(root, 'dist', file)), { level: 9 }).length,
    ])
    const whole = sizes.reduce((sum, [, size]) => sum + size, 0)
    console.log(`      ${sizes.map(([file, size]) => `${file} ${size} bytes`).join(', ')} by gzip`)
    if (whole > PAGE_BYTES) throw new Error(`the page has ${whole} bytes by gzip; at most ${PAGE_BYTES} are meant`)
  })
  return join(room, tarball.filename)
}

/** A stranger's project with the tarball installed; `type` is module or commonjs. */
function project(type, tarball) {
  const dir = join(room, type)
  mkdirSync(dir)
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ name: 'stranger', version: '1.0.0', private: true, type }))
  run('npm', ['install', '--no-audit', '--no-fund', tarball, '@types/node@20'], dir)
  for (const file of ['consumer.mjs', 'consumer.cjs', 'consumer.ts', 'lazy.mjs'])
    copyFileSync(join(here, file), join(dir, file))
  return dir
}

/** Where the Nodes were installed, by version. */
function installNodes() {
  const dir = join(room, 'nodes')
  mkdirSync(dir)
  writeFileSync(join(dir, 'package.json'), '{"private":true}')
  const build = `node-${process.platform}-${process.arch}`
  const aliases = nodes.map((version) => `node-${version}@npm:${build}@${version}`)
  run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...aliases], dir)
  return nodes.map((version) => [version, join(dir, 'node_modules', `node-${version}`, 'bin', 'node')])
}

function types(dir, module, moduleResolution) {
  const options = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false']
  const target = ['--target', 'es2022', '--lib', 'es2023,esnext.disposable', '--types', 'node']
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const how = ['--module', module, '--moduleResolution', moduleResolution]
  run(process.execPath, [tsc, ...options, ...target, ...how, 'consumer.ts'], dir)
}

try {
  const tarball = pack()
  const projects = ['module', 'commonjs'].map((type) => [type, project(type, tarball)])
  const binaries = installNodes()
  for (const [type, dir] of projects) {
    for (const [module, resolution] of [
      ['node16', 'node16'],
      ['nodenext', 'nodenext'],
      ['preserve', 'bundler'],
    ])
      check(`its types, strict, in a ${type} project by ${resolution}`, () => types(dir, module, resolution))
    const { bin } = JSON.parse(readFileSync(join(dir, 'node_modules/cairn-ml/package.json'), 'utf8'))
    for (const [version, node] of binaries) {
      for (const consumer of ['lazy.mjs', 'consumer.mjs', 'consumer.cjs'])
        check(`${consumer} in a ${type} project on Node ${version}`, () =>
          run(node, ['--trace-warnings', consumer], dir),
        )
      check(`the bin in a ${type} project on Node ${version}`, () =>
        run(node, [join('node_modules/cairn-ml', bin['cairn-ml']), '--version'], dir),
      )
    }
    check(`the bin by its name in a ${type} project`, () =>
      run(join(dir, 'node_modules/.bin/cairn-ml'), ['--help'], dir),
    )
  }
} finally {
  rmSync(room, { recursive: true, force: true })
}
console.log(`smoke: ${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
