import { describe, expect, it } from 'vitest'
import { readMlModel } from '../../src/core/mlmodel.js'
import { readYaml, readYamlText } from '../../src/core/yaml.js'
import { IntegrityError } from '../../src/errors.js'

const many = '- a\n'.repeat(30_000)

describe('a text of too many entries is refused before it is parsed:', () => {
  it.each([
    ['a list', many],
    ['a list with bare returns', '- a\r'.repeat(30_000)],
    ['a list in brackets', `[${'a,'.repeat(30_000)}]`],
    ['empty lists in brackets', `[${'[],'.repeat(30_000)}]`],
    ['an ordered map', `!!omap\n${'- a: 1\n'.repeat(30_000)}`],
    ['documents', '---\n'.repeat(30_000)],
    ['one behind a block of text that looks like a quote', `a: |\n  b: '\nc:\n${many}d: '`],
    ['one behind a tagged quote', `!!str "\nb: '\n"\n${many}'`],
    ['one behind a comment that looks like a quote', `# x: '\n${many}# '`],
    ['one behind apostrophes', `a: don't\nb:\n${many}c: don't`],
    ['one behind a quote that never ends', `a: '\n${many}`],
    ['one behind a text after a quote', `a: 'b' c'\n${many}`],
  ])('%s', (_, text) => {
    expect(() => readYaml(text, 'MLmodel')).toThrow(IntegrityError)
    expect(() => readYamlText(text, 'MLmodel')).toThrow(/^MLmodel has over 20000 lines and entries/)
  })
})

it('a signature of 10,000 columns, folded as PyYAML does, is no such text', () => {
  const columns = Array.from({ length: 10_000 }, (_, i) => ({ type: 'double', name: `it's ${i}`, required: true }))
  const folded = JSON.stringify(columns).replaceAll("'", "''").replaceAll(',"name"', ',\n    "name"')
  const text = `flavors:\n  onnx:\n    data: model.onnx\nsignature:\n  inputs: '${folded}'\n  outputs: null\n`
  const { signature } = readMlModel(text)
  expect(signature?.inputs).toMatchObject({ kind: 'columns' })
  expect(JSON.parse(signature?.toJSON().inputs ?? '[]')).toHaveLength(10_000)
})
