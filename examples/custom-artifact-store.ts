/** An artifact store of one's own: files kept gzipped on disk, under the scheme `gzip:`. Any place with four verbs will do. */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, posix, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import * as cairn from 'cairn-ml'

cairn.registerArtifactStore('gzip', (uri) => {
  const root = fileURLToPath(uri.replace(/^gzip:/, 'file:'))
  const fileOf = (path: string) => join(root, `${path}.gz`)
  return {
    async list(path) {
      if (!existsSync(join(root, path))) return []
      const entries = await readdir(join(root, path), { withFileTypes: true })
      return entries.map((entry) => {
        const isDir = entry.isDirectory()
        return { path: posix.join(path, isDir ? entry.name : entry.name.replace(/\.gz$/, '')), isDir }
      })
    },
    async read(path) {
      if (!existsSync(fileOf(path))) throw new cairn.NotFoundError(`There is no ${path} in ${uri}`)
      return new Blob([gunzipSync(await readFile(fileOf(path)))]).stream()
    },
    async write(path, data) {
      await mkdir(dirname(fileOf(path)), { recursive: true })
      await writeFile(fileOf(path), gzipSync(await data.arrayBuffer()))
    },
    async remove(path) {
      for (const place of [join(root, path), fileOf(path)]) await rm(place, { recursive: true, force: true })
    },
  }
})

const place = resolve('compressed')
const artifactLocation = pathToFileURL(place).href.replace(/^file:/, 'gzip:')
const experimentId = await cairn.createExperiment(`gzip-${Date.now()}`, { artifactLocation })
const report = 'The same line, over and over.\n'.repeat(1000)

const { runId } = await cairn.startRun({ experimentId }, async (run) => {
  await run.logText(report, 'reports/long.txt')
  return run
})
const [file] = await cairn.listArtifacts(runId, 'reports')
const kept = await stat(join(place, runId, 'artifacts', 'reports', 'long.txt.gz'))
console.log(`Logged ${file?.path}: ${report.length} bytes, kept in ${kept.size}.`)

const copy = await readFile(await cairn.downloadArtifacts({ runId, path: 'reports/long.txt' }), 'utf8')
console.log(`Downloaded it again: ${copy === report ? 'the same text' : 'something else'}.`)
