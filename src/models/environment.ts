import { dirname, join } from 'node:path'
import { writeYaml } from '../core/yaml.js'
import { copyNew, factsOf, readText, saveFile } from '../disk/files.js'
import { CairnError, InvalidParameterError } from '../errors.js'

/** The release of Python's MLflow whose formats are written. */
export const MLFLOW_VERSION = '3.12.0'
/** What is asked of Python where a model can be served from there. */
export const PYTHON_VERSION = '3.11.7'
const LOCKS = ['package-lock.json', 'npm-shrinkwrap.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock']

type Versions = Readonly<Record<string, string>>

/** Writes `requirements.txt`, `conda.yaml` and `python_env.yaml` as Python does, so that it can rebuild an environment. */
export async function writePythonEnvironment(dir: string, requirements: readonly string[]): Promise<void> {
  const mlflow = requirements.some((line) => /^mlflow\b/.test(line)) ? [] : [`mlflow==${MLFLOW_VERSION}`]
  const lines = [...mlflow, ...requirements]
  const conda = {
    channels: ['conda-forge'],
    dependencies: [`python=${PYTHON_VERSION}`, 'pip', { pip: lines }],
    name: 'mlflow-env',
  }
  const virtualenv = {
    python: PYTHON_VERSION,
    build_dependencies: ['pip', 'setuptools', 'wheel'],
    dependencies: ['-r requirements.txt'],
  }
  await saveFile(join(dir, 'requirements.txt'), lines.join('\n'))
  await saveFile(join(dir, 'conda.yaml'), writeYaml(conda))
  await saveFile(join(dir, 'python_env.yaml'), writeYaml(virtualenv))
}

export interface NodeEnvironment {
  /** npm packages, name to version range; names alone take their range from the project's package.json. */
  readonly dependencies?: Versions | readonly string[] | undefined
  /** What the flavor needs. */
  readonly needed?: Versions | undefined
  /** Where to look, upwards, for the project's package.json and its lock file. */
  readonly projectDir?: string | undefined
}

interface Project {
  readonly dir: string
  readonly dependencies: Versions
}

async function projectOf(from: string | undefined): Promise<Project | undefined> {
  for (let dir = from; dir !== undefined; dir = dirname(dir) === dir ? undefined : dirname(dir)) {
    const file = join(dir, 'package.json')
    if ((await factsOf(file))?.kind !== 'file') continue
    try {
      const found = JSON.parse(await readText(file, 1_000_000)) as {
        dependencies?: Versions
        devDependencies?: Versions
      } | null
      return { dir, dependencies: { ...found?.devDependencies, ...found?.dependencies } }
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof CairnError) return undefined
      throw error
    }
  }
  return undefined
}

function versionsOf(given: NodeEnvironment['dependencies'], project: Project | undefined): Versions {
  if (given === undefined) return {}
  if (Array.isArray(given))
    return Object.fromEntries((given as readonly string[]).map((name) => [name, project?.dependencies[name] ?? '*']))
  for (const [name, range] of Object.entries(given))
    if (typeof range !== 'string')
      throw new InvalidParameterError(
        `The dependency ${name} needs a version range as text, like { "${name}": "^1.0.0" }`,
      )
  return given as Versions
}

/** Writes `package.json` with what the model needs and the version of Node it was made with, and copies the project's lock file. */
export async function writeNodeEnvironment(
  dir: string,
  { dependencies, needed, projectDir }: NodeEnvironment,
): Promise<void> {
  const project = await projectOf(projectDir)
  const wanted = { ...needed, ...versionsOf(dependencies, project) }
  const file = join(dir, 'package.json')
  if (await factsOf(file)) return
  const content = { private: true, engines: { node: `^${process.versions.node}` }, dependencies: wanted }
  await saveFile(file, `${JSON.stringify(content, null, 2)}\n`)
  for (const lock of project ? LOCKS : []) {
    const from = join(project?.dir ?? '', lock)
    if ((await factsOf(from))?.kind !== 'file') continue
    await copyNew(from, join(dir, lock))
    return
  }
}
