import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { inferSignature } from '../../src/core/infer-signature.js'
import { type MlModel, readMlModel, writeMlModel } from '../../src/core/mlmodel.js'
import { IntegrityError } from '../../src/errors.js'

const python = `artifact_path: mlflow-artifacts:/1/models/m-0572626502694a71bde4b3c3d124ceb7/artifacts
flavors:
  onnx:
    code: null
    data: model.onnx
    onnx_session_options: null
    onnx_version: 1.23.1
    providers:
    - CUDAExecutionProvider
    - CPUExecutionProvider
  python_function:
    data: model.onnx
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.onnx
    python_version: 3.11.7
is_signature_from_type_hint: false
mlflow_version: 3.12.1
model_id: m-0572626502694a71bde4b3c3d124ceb7
model_size_bytes: 603
model_uuid: m-0572626502694a71bde4b3c3d124ceb7
prompts: null
run_id: 12345678901234567890123456789e12
signature:
  inputs: '[{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}]'
  outputs: '[{"name": "y", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]'
  params: null
type_hint_from_example: false
utc_time_created: '2026-11-23 23:06:49.334491'
`

it('what Python writes is read, ids as text, and keys of no use to us are kept', () => {
  const model = readMlModel(python)
  expect(model.runId).toBe('12345678901234567890123456789e12')
  expect(model.modelSizeBytes).toBe(603)
  expect(model.flavors.onnx).toMatchObject({ data: 'model.onnx', onnx_version: '1.23.1' })
  expect(model.signature?.inputs).toEqual({
    kind: 'tensors',
    tensors: [{ name: 'x', dtype: 'float32', shape: [-1, 4] }],
  })
  expect(model.rest).toEqual({ is_signature_from_type_hint: false, prompts: null, type_hint_from_example: false })
})

it('a signature that Python inferred, with every kind of column and parameter, is read whole', () => {
  const file = new URL('../fixtures/mlmodel/python-3.17', import.meta.url)
  const { signature } = readMlModel(readFileSync(file, 'utf8'))
  const object = {
    k: { type: 'long', required: true },
    l: { type: 'array', items: { type: 'string' }, required: true },
  }
  expect(signature?.inputs).toEqual({
    kind: 'columns',
    columns: [
      { name: 'a', type: 'long', required: true },
      { name: 'b', type: 'double', required: true },
      { name: 'c', type: 'string', required: true },
      { name: 'd', type: 'array', items: { type: 'long' }, required: true },
      { name: 'e', type: 'object', properties: object, required: true },
      { name: 'f', type: 'datetime', required: true },
      { name: 'g', type: 'any', required: false },
    ],
  })
  expect(signature?.outputs).toMatchObject({
    tensors: [
      { name: 'y', dtype: 'float32' },
      { name: 's', dtype: 'str' },
    ],
  })
  expect(signature?.params?.map(({ default: value }) => value)).toEqual([0.5, [1, 2], Number.NaN, { k: 1 }])
})

it('what was read is written back the same', () => {
  const model = readMlModel(python)
  const again = readMlModel(writeMlModel(model))
  expect({ ...again, signature: again.signature?.toJSON() }).toEqual({ ...model, signature: model.signature?.toJSON() })
})

it('MLflow 1 and 2 are read: no ids, columns without "required", times without quotes', () => {
  const model = readMlModel(`artifact_path: model
flavors:
  sklearn:
    pickled_model: model.pkl
  python_function: {loader_module: mlflow.sklearn, model_path: model.pkl}
run_id: 769c9d7e3aa6419b96b414c86360e9e8
signature:
  inputs: '[{"name": "a", "type": "double"}, {"name": "b", "type": "long", "optional": true}]'
utc_time_created: 2021-01-02 03:04:05.678901
`)
  expect(model.utcTimeCreated).toBe('2021-01-02 03:04:05.678901')
  expect(model.signature?.inputs).toEqual({
    kind: 'columns',
    columns: [
      { name: 'a', type: 'double', required: true },
      { name: 'b', type: 'long', required: false },
    ],
  })
})

const flavor = 'flavors: {onnx: {data: model.onnx}}\n'

it.each([
  ['nothing', ''],
  ['a list', '- a'],
  ['a text', 'hello'],
  ['no flavors', 'run_id: abc'],
  ['empty flavors', 'flavors: {}'],
  ['flavors as a list', 'flavors: [onnx]'],
  ['a flavor that is a text', 'flavors: {onnx: yes please}'],
  ['a flavor with a path for a name', 'flavors: {../x: {}}'],
  ['__proto__ as flavor', 'flavors:\n  __proto__: {polluted: 1}\n  onnx: {data: m}'],
  ['__proto__ at the top', `${flavor}__proto__: {polluted: 1}`],
  ['__proto__ deep inside', `${flavor}metadata: {a: [{b: {__proto__: {polluted: 1}}}]}`],
  ['constructor', `${flavor}constructor: {prototype: {polluted: 1}}`],
  ['code outside', 'flavors: {python_function: {loader_module: os, code: ../..}}'],
  ['absolute code', 'flavors: {python_function: {loader_module: os, code: /etc}}'],
  ['data outside', 'flavors: {onnx: {data: ../model.onnx}}'],
  ['data that is a list', 'flavors: {onnx: {data: [a]}}'],
  ['a JavaScript function', `${flavor}metadata: {a: !!js/function "function(){}"}`],
  ['a Python object', `${flavor}metadata: {a: !!python/object/apply:os.system ["id"]}`],
  ['a run id that is a list', `${flavor}run_id: [a]`],
  ['metadata that is a list', `${flavor}metadata: [a]`],
  ['a signature that is a text', `${flavor}signature: x`],
  ['a signature that is no JSON', `${flavor}signature: {inputs: "[{"}`],
  ['a signature of unknown types', `${flavor}signature: {inputs: '[{"type": "evil"}]'}`],
  [
    'a signature that mixes',
    `${flavor}signature: {inputs: '[{"type":"long"},{"type":"tensor","tensor-spec":{"dtype":"int8","shape":[1]}}]'}`,
  ],
  [
    'a signature nested deep',
    `${flavor}signature: {inputs: '[${'{"type":"array","items":'.repeat(500)}{"type":"long"}${'}'.repeat(500)}]'}`,
  ],
  ['duplicate keys', `${flavor}run_id: a\nrun_id: b`],
  ['tabs', '\tflavors:\n\t\tonnx: {}'],
  ['10,000 levels', `${flavor}metadata: {a: ${'['.repeat(10_000)}`],
  ['50 MB', `${flavor}metadata: {a: ${'x'.repeat(50_000_000)}}`],
  [
    'a bomb of anchors',
    `${flavor}metadata:\n  a: &a [x,x,x,x,x,x,x,x,x,x]\n${Array.from({ length: 9 }, (_, i) => `  ${'bcdefghij'[i]}: &${'bcdefghij'[i]} [${`*${'abcdefghi'[i]},`.repeat(10)}]`).join('\n')}`,
  ],
])('%s is an IntegrityError', (_, text) => {
  expect(() => readMlModel(text, 'm/MLmodel')).toThrow(IntegrityError)
  expect({}).not.toHaveProperty('polluted')
})

it('the error names the file', () => {
  expect(() => readMlModel('', 'models/m-1/MLmodel')).toThrow(/^models\/m-1\/MLmodel /)
})

it('a loader module is only text to us', () => {
  expect(readMlModel('flavors: {python_function: {loader_module: os}}').flavors).toEqual({
    python_function: { loader_module: 'os' },
  })
})

const text = fc.oneof(
  fc.string(),
  fc.constantFrom('123e4', '0o17', 'null', 'yes', '2024-01-01', '~', '1.0', '', ' x ', 'a: b', '#'),
)
const name = fc
  .stringMatching(/^[A-Za-z_][\w.-]{0,20}$/)
  .filter((key) => !['__proto__', 'constructor', 'prototype'].includes(key))
const value = fc.oneof(
  text,
  fc.boolean(),
  fc.integer(),
  fc.constant(null),
  fc.double({ noDefaultInfinity: true, noNaN: true }),
  fc.array(text, { maxLength: 3 }),
)
const entry = fc.dictionary(
  name.filter(
    (key) => !['data', 'code', 'model_path', 'python_model', 'pickled_model', 'saved_model_dir'].includes(key),
  ),
  value,
  { maxKeys: 4, noNullPrototype: true },
)
const known = new Set([
  'flavors',
  'signature',
  'artifact_path',
  'run_id',
  'model_id',
  'model_uuid',
  'mlflow_version',
  'utc_time_created',
  'saved_input_example_info',
  'metadata',
  'model_size_bytes',
])
const models: fc.Arbitrary<MlModel> = fc.record(
  {
    flavors: fc.dictionary(name, entry, { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
    artifactPath: text,
    runId: text,
    modelId: text,
    mlflowVersion: text,
    utcTimeCreated: text,
    modelSizeBytes: fc.nat(),
    savedInputExampleInfo: entry,
    metadata: entry,
    rest: fc.dictionary(
      name.filter((key) => !known.has(key)),
      value,
      { minKeys: 1, maxKeys: 3, noNullPrototype: true },
    ),
  },
  { requiredKeys: ['flavors'], noNullPrototype: true },
)

it('an MLmodel survives write and read', () => {
  fc.assert(
    fc.property(models, (model) => {
      expect(readMlModel(writeMlModel(model))).toEqual(model)
    }),
    { numRuns: 300 },
  )
})

it('a signature survives in an MLmodel', () => {
  const signature = inferSignature([{ a: 1, b: [{ c: 'x' }] }], [{ y: 0.5 }], { t: Number.NaN })
  const { signature: read } = readMlModel(writeMlModel({ flavors: { x: {} }, signature }))
  expect(read?.toJSON()).toEqual(signature.toJSON())
})
