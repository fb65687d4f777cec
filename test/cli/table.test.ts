import { describe, expect, it } from 'vitest'
import { table, widthOf } from '../../src/cli/table.js'

const columns = [{ title: 'ID', keep: 'always' }, { title: 'NAME' }, { title: 'NOTE' }] as const

describe('a table', () => {
  it('aligns its columns and cuts nothing when the width does not matter', () => {
    const rows = [
      ['1', 'a', 'x'.repeat(200)],
      ['10', 'long name', ''],
    ]
    expect(table(columns, rows).split('\n')).toEqual([
      'ID  NAME       NOTE',
      `1   a          ${'x'.repeat(200)}`,
      '10  long name',
    ])
  })

  it('fits the width: the widest column is cut, whole ones never', () => {
    const rows = [['0123456789', 'name', 'x'.repeat(100)]]
    const lines = table(columns, rows, { width: 30 }).split('\n')
    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(30)
    expect(lines[1]).toMatch(/^0123456789 {2}name {2}x+…$/)
  })

  it('leaves the last columns out where cutting is not enough', () => {
    const lines = table(columns, [['0123456789', 'a long name', 'a long note']], { width: 20 }).split('\n')
    expect(lines).toEqual(['ID          NAME', '0123456789  a long …'])
  })

  it('leaves a column that is of no use when cut out before that, and gives the others its room', () => {
    const some = [{ title: 'ID', keep: 'always' }, { title: 'NAME' }, { title: 'MADE', keep: 'whole' }] as const
    const lines = table(some, [['1', 'a name of 20 letters', '2026-11-24 21:01']], { width: 28 }).split('\n')
    expect(lines).toEqual(['ID  NAME', '1   a name of 20 letters'])
  })

  it('counts wide characters twice and combining ones not at all', () => {
    expect([widthOf('日本'), widthOf('e\u0301'), widthOf('🚀'), widthOf('a')]).toEqual([4, 1, 2, 1])
    const [, first, second] = table(columns, [
      ['1', '日本', 'x'],
      ['2', 'abcd', 'y'],
    ]).split('\n')
    expect([first, second]).toEqual(['1   日本  x', '2   abcd  y'])
  })

  it('lets no value move the cursor, colour the terminal or break a line', () => {
    const [, line] = table(columns, [['1', '\u001b[31mred\u001b[0m\r\nnext', '\u202eevil']]).split('\n')
    expect(line).toBe('1    [31mred [0m next   evil')
  })
})
