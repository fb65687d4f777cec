import { expect, it } from 'vitest'
import { inWords } from '../src/wire/logger.js'

it('a line of the log reads as words on a terminal', () => {
  const line = (level: number) => JSON.stringify({ level, time: 1, name: 'cairn', msg: 'the param was cut' })
  expect(inWords(line(30))).toBe('cairn: the param was cut\n')
  expect(inWords(line(40))).toBe('cairn: warning: the param was cut\n')
  expect(inWords(line(50))).toBe('cairn: error: the param was cut\n')
})
