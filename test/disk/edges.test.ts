import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { appendLines } from '../../src/disk/append.js'
import { clearOfEdges } from '../../src/disk/edges.js'
import { tempDir } from '../support/temp-dir.js'

const PAGE = 4096
const line = fc.integer({ min: 1, max: 79 }).map((length) => `${'x'.repeat(length)}\n`)
const batch = fc.array(line, { minLength: 1, maxLength: 300 }).map((lines) => lines.join(''))
const trimmed = (text: string) => text.replaceAll(/ +\n/g, '\n')

/** Whether each page's edge in the text is the end of a line. */
const isClear = (text: string): boolean => {
  for (let edge = PAGE; edge < text.length; edge += PAGE) if (text[edge - 1] !== '\n') return false
  return true
}

describe('lines appended', () => {
  it('never lie across a page’s edge, and lose nothing but get blanks at their end', () => {
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 8 }), (batches) => {
        let text = ''
        for (const lines of batches) text += clearOfEdges(lines, text.length)
        expect(isClear(text)).toBe(true)
        expect(trimmed(text)).toBe(batches.join(''))
      }),
      { numRuns: 200 },
    )
  })
  it('come whole also where one is longer than a page, or begins where another program left off', () => {
    const long = `${'y'.repeat(3 * PAGE)}\n`
    for (const lines of [long, `a\n${long}b\n`, long.repeat(3), 'no end', 'a\nno end'])
      for (const offset of [0, 1, 4000, 4095, 4096, 10_000]) expect(trimmed(clearOfEdges(lines, offset))).toBe(lines)
  })
  it('take at most one part in ten more, metric lines at most one in fifty', () => {
    const point = (step: number) => `1718000000000 ${Math.sin(step)} ${step}\n`
    const lines = Array.from({ length: 20_000 }, (_, step) => point(step))
    let text = ''
    for (const one of lines) text += clearOfEdges(one, text.length)
    expect(text.length / lines.join('').length).toBeLessThan(1.02)
    expect(clearOfEdges(lines.join(''), 0).length / lines.join('').length).toBeLessThan(1.02)
  })
  it('stand so in a file, whether it is new, made by way of another folder, or there already', () => {
    const dir = tempDir()
    const lines = '1718000000000 0.123456789 12345\n'.repeat(300)
    for (const temp of [undefined, dir]) {
      const file = join(dir, `m${temp ? 1 : 0}`)
      const said = [appendLines(file, lines, temp), appendLines(file, lines, temp), appendLines(file, lines)]
      const text = readFileSync(file, 'utf8')
      expect(text).toBe(said.join(''))
      expect(isClear(text)).toBe(true)
      expect(trimmed(text)).toBe(lines.repeat(3))
    }
  })
})
