import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve, sep } from 'node:path'
import type { ArtifactStore } from '../artifacts/store.js'
import { upload } from '../artifacts/upload.js'
import { checkRelativePath } from '../core/relative-path.js'
import { TAG } from '../core/tags.js'
import { saveFile } from '../disk/files.js'
import { globFiles } from '../disk/glob.js'
import { inStage } from '../disk/stage.js'
import { InvalidParameterError } from '../errors.js'
import { type GitState, gitState } from '../host/git.js'
import { loaded } from './loaded.js'
import type { CodeOptions, RunVerbs } from './verbs.js'

export interface CodeDeps {
  readonly store: () => Promise<ArtifactStore>
  readonly setTag: (key: string, value: string) => void
}

/** The verb of a run that keeps the code it ran. */
export function codeVerbs({ store, setTag }: CodeDeps): Pick<RunVerbs, 'logCode'> {
  return {
    async logCode({
      dir: folder = mainFolder(),
      include,
      artifactPath = 'code',
      signal,
      onProgress,
    }: CodeOptions = {}) {
      const dir = resolve(folder)
      const git = await gitState(dir)
      const files = include === undefined ? git?.files : await filesOf([include].flat(), dir)
      const cwd = include === undefined && git ? git.root : dir
      if (files === undefined || files.length === 0)
        throw new InvalidParameterError(`Git tracks no file in ${dir}; name those to keep, with include: ['src/**']`)
      await inStage(tmpdir(), async (stage) => {
        const { create } = await loaded(() => import('tar'))
        const names = files.map((file) => `./${file}`)
        await create({ cwd, file: join(stage, 'code.tgz'), gzip: true, portable: true }, names)
        if (git?.diff) await saveFile(join(stage, 'git.diff'), git.diff)
        await upload(await store(), stage, artifactPath, { signal, onProgress })
      })
      for (const [key, value] of Object.entries(git ? tagsOf(git) : {})) if (value !== undefined) setTag(key, value)
    },
  }
}

const mainFolder = (): string => (process.argv[1] === undefined ? process.cwd() : dirname(process.argv[1]))

async function filesOf(patterns: readonly string[], dir: string): Promise<string[]> {
  const found = await Promise.all(patterns.map((pattern) => globFiles(pattern, dir)))
  const paths = found.flat().map(({ file }) => relative(dir, file).split(sep).join('/'))
  for (const path of paths) checkRelativePath(path, 'A file to keep as code')
  return [...new Set(paths)].sort()
}

/** MLflow's tags for the state of the code (`mlflow/utils/mlflow_tags.py`). */
const tagsOf = ({ commit, branch, repoUrl, dirty }: GitState): Record<string, string | undefined> => ({
  [TAG.commit]: commit,
  [TAG.branch]: branch,
  [TAG.repoUrl]: repoUrl,
  [TAG.dirty]: dirty ? 'True' : 'False',
})
