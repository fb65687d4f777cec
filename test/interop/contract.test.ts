import { afterAll, beforeAll, describe } from 'vitest'
import { proxied } from '../../src/artifacts/proxied.js'
import { type Send, sender } from '../../src/http/send.js'
import { httpTransport } from '../../src/transport/http.js'
import { artifactStoreContract, type Exceptions } from '../contract/artifact-store.js'
import { OVER_HTTP, trackingContract } from '../contract/transport.js'
import { loggedModelContract, registryContract } from '../contract/transport-registry.js'
import { available, postgresBin, type Running, startCairn, startMlflow, startMlflowOnPostgres } from './servers.js'

type Differs = Readonly<Record<string, string>>

/** Where MLflow's databases do otherwise than its file store, whose facts the suites tell. */
const DATABASE: Differs = {
  'a blank name is refused': 'blank names are taken',
  'renaming changes the name and frees the old one': 'a taken name is a BAD_REQUEST',
  'the default experiment cannot be deleted': 'it can, and every other fact needs it',
  'the infinities and minus zero are kept': 'infinities become the largest double, -0 becomes 0',
  'one deleted already is not found to be deleted again': 'deleting twice is success',
  'a dataset without a digest means all of its name': 'the digest has to fit',
  'a file of another host is refused as bad input': 'it is a 500',
  'that refusal is an InvalidParameterError': 'it is a 500',
  'a page of no models is refused': 'it is taken for the default',
  'an unknown metric has an empty history, an unknown run none': 'an unknown run has an empty one',
  'a timestamp that is no whole number of milliseconds is refused, and nothing of its batch written': 'it is cut',
  'histories of several runs come in one answer, each point with its run': 'in another order',
  'a dataset without name or with one too long is refused': 'it is taken',
  'models that go into a run and come out of it come back': 'the same output twice is refused',
}

const MLFLOW_2_FILES: Differs = {
  'a blank name is refused': 'blank names are taken',
  'a name with ":" is refused': 'it is taken',
  'tags are set, replaced and removed': 'tags of experiments cannot be removed',
  'an unknown metric has an empty history, an unknown run none': 'an unknown run has an empty one',
  'a timestamp that is no whole number of milliseconds is refused, and nothing of its batch written': 'it is cut',
  'histories of several runs come in one answer, each point with its run': 'in another order',
  'a dataset without name or with one too long is refused': 'it is taken',
  'models that go into a run and come out of it come back': 'there are no logged models',
  'a metric with a model is a metric of the model too': 'there are no logged models',
  'each kind of comparison finds what it should, newest first': 'IS NULL is not known',
  'a rename keeps tags and aliases, of the model and of its versions': 'it is a 500',
  'making one of a model that is not there is a NotFoundError': 'it is a 500',
  'models:/m-… leads to where the logged model lies, and brings its run': 'there are no logged models',
  'the logged model remembers the versions made of it': 'there are no logged models',
  'a tag never opens the way for a source': 'it does (CVE-2026-2614)',
  'the alias "latest" answers the newest version': 'it is refused',
  'a file of another host is refused as bad input': 'it is a 500',
  'that refusal is an InvalidParameterError': 'it is a 500',
}

const BEYOND_ASCII = {
  'names keep their spaces, percent signs and letters of any script':
    'its server breaks off downloads of names beyond ASCII',
}

const MLFLOW_3_12: Differs = {
  ...DATABASE,
  'a deleted one is gone from every answer, and so are its aliases': 'an alias of a deleted version is not found',
  'the alias "latest" answers the newest version': 'it answers the version that bears it',
}

const MLFLOW_3_1: Differs = {
  ...MLFLOW_3_12,
  'tags are set, replaced and removed': 'tags of experiments cannot be removed',
  'each kind of comparison finds what it should, newest first': 'IS NULL is not known',
  'what is found is whole': 'what came out of no run is left out',
  'a name with ":" is refused': 'it is taken',
  'a name with "/" is refused': 'it is taken',
  'a rename to a taken or impossible name is refused and changes nothing': 'no name is impossible',
  'a tag never opens the way for a source': 'it does (CVE-2026-2614)',
  'a model that is not there is not found': 'it is bad input',
  'the alias "latest" answers the newest version': 'it is refused',
  'a deleted one is gone, but for who asks for deleted ones': 'it is gone for all',
}

const MLFLOW_2_9_FILES: Differs = {
  ...MLFLOW_2_FILES,
  'an artifact location with a fragment is refused': 'it is taken (CVE-2024-1483)',
  'a name is taken by an active and by a deleted experiment': 'a deleted one leaves its name free',
  'values over the limit are cut, keys over it refused': 'values are refused',
  'keys outside the rule are refused': 'so is a colon',
  'a sample over steps keeps the first and the last': 'there are no samples',
  'prompts are hidden unless the filter speaks of them': 'there are no prompts',
  'of a prompt is no place': 'there are no prompts',
}

/** `cairn-ml server` over a local store does nothing else otherwise: its facts are the local store's. */
const CAIRN: Differs = {}

const servers: Running[] = []
afterAll(async () => {
  for (const server of servers.splice(0).reverse()) await server.stop()
})
const kept = async <R extends Running>(starting: Promise<R>): Promise<R> => {
  const running = await starting
  servers.push(running)
  return running
}

function suites(
  start: () => Promise<Running>,
  differs: Differs,
  more: { loggedModels: boolean; artifacts?: Exceptions; artifactHome?: (send: Send) => Promise<string> },
) {
  let url = ''
  let count = 0
  const anywhere = async () => `mlflow-artifacts:/0/suite-${++count}/artifacts`
  beforeAll(async () => {
    url = (await start()).url
  })
  const make = async () => ({ transport: httpTransport({ send: sender({ url }) }) })
  const options = { differs: { ...OVER_HTTP, ...differs } }
  trackingContract(make, options)
  registryContract(make, options)
  if (more.loggedModels) loggedModelContract(make, options)
  artifactStoreContract(async () => {
    const send = sender({ url })
    return proxied(send)(await (more.artifactHome ?? anywhere)(send))
  }, more.artifacts)
}

describe.skipIf(!available('latest'))('the newest MLflow on SQLite', () => {
  suites(() => kept(startMlflow('latest', { store: 'sqlite' })), DATABASE, { loggedModels: true })
})

describe.skipIf(!available('latest') || !postgresBin)('the newest MLflow on PostgreSQL, artifacts in S3', () => {
  suites(() => kept(startMlflowOnPostgres()), DATABASE, { loggedModels: true })
})

describe.skipIf(!available('latest-2'))('the newest MLflow 2 on its file store', () => {
  suites(() => kept(startMlflow('latest-2', { store: 'files' })), MLFLOW_2_FILES, {
    loggedModels: false,
    artifacts: BEYOND_ASCII,
  })
})

describe.skipIf(!available('3.12'))('MLflow 3.12 on SQLite', () => {
  suites(() => kept(startMlflow('3.12', { store: 'sqlite' })), MLFLOW_3_12, {
    loggedModels: true,
    artifacts: BEYOND_ASCII,
  })
})

describe.skipIf(!available('3.1'))('MLflow 3.1 on SQLite', () => {
  suites(() => kept(startMlflow('3.1', { store: 'sqlite' })), MLFLOW_3_1, {
    loggedModels: true,
    artifacts: BEYOND_ASCII,
  })
})

describe.skipIf(!available('2.9'))('MLflow 2.9 on its file store', () => {
  suites(() => kept(startMlflow('2.9', { store: 'files' })), MLFLOW_2_9_FILES, {
    loggedModels: false,
    artifacts: {
      ...BEYOND_ASCII,
      'a file is removed, and a directory with all below it; absent is success':
        'it removes directories alone, and is a 500 for a file',
    },
  })
})

describe('cairn-ml server in the place of a real one', () => {
  suites(() => kept(startCairn()), CAIRN, {
    loggedModels: true,
    // It takes files for runs and logged models that are there, and for nothing else.
    async artifactHome(send) {
      const { run } = await httpTransport({ send }).call('createRun', { experiment_id: '0' })
      return run.info.artifact_uri as string
    },
  })
})
