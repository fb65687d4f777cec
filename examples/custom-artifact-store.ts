/** An artifact store of one's own: files kept gzipped on disk, under the scheme `gzip:`. Any place with four verbs will do. */
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import {
  createExperiment,
  downloadArtifacts,
  listArtifacts,
  NotFoundError,
  type OpenArtifacts,
  registerArtifactStore,
  startRun,
} from 'cairn-ml'

const gzipFiles: OpenArtifacts = (uri) => {
  const root = fileURLToPath(uri.replace(/^gzip:/, 'file:'))
  return {
    async list(path) {
      const entries = await readdir(join(root, path), { withFileTypes: true }).catch(() => [])
      return entries.map((entry) => ({
        path: join(path, entry.name.replace(/\.gz$/, '')),
        isDir: entry.isDirectory(),
      }))
    },
    async read(path) {
      const bytes = await readFile(join(root, `${path}.gz`)).catch((cause) => {
        throw new NotFoundError(`No ${path} in ${uri}`, { cause })
      })
      return new Blob([gunzipSync(bytes)]).stream()
    },
    async write(path, data) {
      const file = join(root, `${path}.gz`)
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, gzipSync(await data.arrayBuffer()))
    },
    async remove(path) {
      for (const name of [path, `${path}.gz`]) await rm(join(root, name), { recursive: true, force: true })
    },
  }
}

registerArtifactStore('gzip', gzipFiles)

const place = resolve('compressed')
const artifactLocation = pathToFileURL(place).href.replace(/^file:/, 'gzip:')
const experimentId = await createExperiment(`gzip-${Date.now()}`, { artifactLocation })
const report = 'The same line, over and over.\n'.repeat(1000)

const run = await startRun({ experimentId }, async (run) => {
  await run.logText(report, 'reports/long.txt')
  return run
})
const [file] = await listArtifacts(run.runId, 'reports')
const kept = join(place, run.runId, 'artifacts', 'reports', 'long.txt.gz')
console.log(`Logged ${file?.path}: ${report.length} bytes, ${(await stat(kept)).size} of them on disk.`)

const copy = await readFile(await downloadArtifacts({ runId: run.runId, path: 'reports/long.txt' }), 'utf8')
console.log(`Downloaded it again: ${copy === report ? 'the same text' : 'something else'}.`)
