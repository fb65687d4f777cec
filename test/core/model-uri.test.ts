import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatModelUri, parseModelUri, parseRunsUri, splitModelUri } from '../../src/core/model-uri.js'
import { CairnError, InvalidParameterError, UnsafePathError } from '../../src/errors.js'

const id = 'm-0572626502694a71bde4b3c3d124ceb7'

describe('a models:/ URI', () => {
  it.each([
    ['models:/churn/3', { by: 'version', name: 'churn', version: '3' }],
    ['models:/churn/003', { by: 'version', name: 'churn', version: '3' }],
    ['models:/churn/pRODUCTION', { by: 'stage', name: 'churn', stage: 'Production' }],
    ['models:/churn/Latest', { by: 'latest', name: 'churn' }],
    ['models:/churn@champion', { by: 'alias', name: 'churn', alias: 'champion' }],
    ['models:/a@b@champion', { by: 'alias', name: 'a@b', alias: 'champion' }],
    ['models:/a b%2fc/1', { by: 'version', name: 'a b%2fc', version: '1' }],
    ['models:/日本/1', { by: 'version', name: '日本', version: '1' }],
    [`models:/${id}`, { by: 'id', modelId: id }],
    [
      'models://profile@databricks/churn/1',
      { by: 'version', name: 'churn', version: '1', registryUri: 'databricks://profile' },
    ],
    ['models://databricks/churn/1', { by: 'version', name: 'churn', version: '1', registryUri: 'databricks' }],
  ])('%s', (uri, ref) => {
    expect(parseModelUri(uri)).toEqual(ref)
    expect(parseModelUri(formatModelUri(parseModelUri(uri)))).toEqual(ref)
  })

  it.each([
    'models:/',
    'models:/churn',
    'models:/churn/',
    'models:/churn/0',
    'models:/churn/-1',
    'models:/churn/Prod',
    'models:/ /1',
    'models:/../1',
    'models:/./1',
    'models:/a/1/b',
    'models:/m/../../x',
    'models:/m@alias/../x',
    'models:/m/1#x',
    'models:/m/1?x',
    'models:/m/1\u0000',
    'models:/m\n/1',
    'models:/churn@',
    'models:/@champion',
    'models:/churn@v3',
    'models:/churn@latest',
    'models://evil.com/churn/1',
    'models://databricks',
    'MODELS:/m/1',
    'models:m/1',
    'runs:/abc/model',
    'file:///etc',
    'file://remote/etc',
    'FILE:///etc',
    'http:///#/../../etc',
    'mlflow-artifacts://h/..%2f..',
    's3:/b/../x',
    'http://h/a%00',
    'dbfs:/r/a%3f/../../..',
    '',
  ])('%j is refused', (uri) => {
    expect(() => parseModelUri(uri)).toThrow(InvalidParameterError)
  })

  it('other types are refused as well', () => {
    for (const uri of [undefined, null, 5, {}]) expect(() => parseModelUri(uri as never)).toThrow(InvalidParameterError)
  })

  it.each([
    ['models:/churn/3/data/w.bin', 'models:/churn/3', 'data/w.bin'],
    ['models:/churn/Production/MLmodel', 'models:/churn/Production', 'MLmodel'],
    ['models:/churn@champion/MLmodel', 'models:/churn@champion', 'MLmodel'],
    [`models:/${id}/a/b`, `models:/${id}`, 'a/b'],
    ['models:/churn/3', 'models:/churn/3', ''],
  ])('%s splits into a model and a path', (uri, model, path) => {
    expect(splitModelUri(uri)).toEqual({ ref: parseModelUri(model), path })
  })

  it.each(['models:/m/1/../x', 'models:/m@alias/../x', 'models:/m/1/%2e%2e/x', 'models:/m/1//x', 'models:/m/1/a\\b'])(
    'the path in %s is refused',
    (uri) => {
      expect(() => splitModelUri(uri)).toThrow(UnsafePathError)
    },
  )
})

describe('a runs:/ URI', () => {
  const run = '769c9d7e3aa6419b96b414c86360e9e8'

  it.each([
    [`runs:/${run}/model`, { runId: run, path: 'model' }],
    [`runs:/${run}/a/b.txt`, { runId: run, path: 'a/b.txt' }],
    [`runs:/${run}`, { runId: run, path: '' }],
    [`runs://p@databricks/${run}/model`, { runId: run, path: 'model', trackingUri: 'databricks://p' }],
  ])('%s', (uri, ref) => {
    expect(parseRunsUri(uri)).toEqual(ref)
  })

  it.each([
    'runs:/',
    'runs:/*',
    'runs:/../x',
    'runs:/a.b/x',
    'runs:/../../x',
    `runs:/${run}/a#b`,
    `runs:/${run}/..%2fx`,
    `runs:/${run}/..%252fx`,
    `runs://h/${run}/x`,
  ])('%s is refused', (uri) => {
    expect(() => parseRunsUri(uri)).toThrow(CairnError)
  })

  it('a path with ? is refused with the form that takes it', () => {
    expect(() => parseRunsUri(`runs:/${run}/q?x.txt`)).toThrow(
      'downloadArtifacts({ runId, path }) fetches what has such a name, and loadModel takes the folder that it answers',
    )
    for (const path of ['q#x.txt', 'q\n.txt'])
      expect(() => parseRunsUri(`runs:/${run}/${path}`)).toThrow(/has no meaning in a runs:\/ URI$/)
  })
})

it('whatever the text, the answer is a reference or an error of ours', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((rest) => `models:/${rest}`),
        fc.string().map((rest) => `runs:/${rest}`),
      ),
      (uri) => {
        for (const parse of [parseModelUri, splitModelUri, parseRunsUri])
          try {
            parse(uri)
          } catch (error) {
            expect(error).toBeInstanceOf(CairnError)
          }
      },
    ),
    { numRuns: 1000 },
  )
})
