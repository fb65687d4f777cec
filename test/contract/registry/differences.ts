/** What MLflow's own servers do otherwise, seen on 3.17 and on 2.22's file store: the fact's name, and why. */
const EVERY_SERVER = {
  'a file of another host is refused as bad input': 'answers 500 with the same refusal',
  'that refusal is an InvalidParameterError': 'answers 500 INTERNAL_ERROR with the same text',
} as const

const SQL_STORE = {
  'a page of no models is refused': 'takes 0 for "no limit given"',
  'one deleted already is not found to be deleted again': 'deleting twice is success',
  'a dataset without a digest means all of its name': 'compares the digest with NULL, which finds nothing',
} as const

const FILE_STORE = {
  'a rename keeps tags and aliases, of the model and of its versions': 'loses them, and answers 500 with version tags',
  'versions created at once get numbers without gap or double': 'gives up after 3 tries in a race',
  'making one of a model that is not there is a NotFoundError': 'answers 500 after 3 tries',
} as const

const BEFORE_3 = {
  'a name with ":" is refused': 'takes it',
  'a blank name is refused': 'takes any blank but the empty name',
  'a tag never opens the way for a source': 'a prompt tag skips the check (CVE-2026-2614)',
  'the alias "latest" answers the newest version': 'knows no such alias',
  'models:/m-… leads to where the logged model lies, and brings its run': 'has no logged models',
  'the logged model remembers the versions made of it': 'has no logged models',
} as const

/** By kind of server. */
export const differences = {
  mlflow3Sql: { ...EVERY_SERVER, ...SQL_STORE },
  mlflow3File: { ...EVERY_SERVER, ...FILE_STORE },
  mlflow2File: { ...EVERY_SERVER, ...FILE_STORE, ...BEFORE_3 },
} as const
