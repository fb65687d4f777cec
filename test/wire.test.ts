import { describe, expect, it } from 'vitest'
import { registerArtifactStore, registerFlavor, registerTransport } from '../src/index.js'
import { inWords } from '../src/wire/logger.js'

it('a line of the log reads as words on a terminal', () => {
  const line = (level: number) => JSON.stringify({ level, time: 1, name: 'cairn', msg: 'the param was cut' })
  expect(inWords(line(30))).toBe('cairn: the param was cut\n')
  expect(inWords(line(40))).toBe('cairn: warning: the param was cut\n')
  expect(inWords(line(50))).toBe('cairn: error: the param was cut\n')
})

describe('a plug-in is refused when it', () => {
  it.each<[string, () => void, RegExp]>([
    ['has no scheme', () => registerTransport('', async () => ({}) as never), /not a URI scheme/],
    ['has a scheme with a colon', () => registerArtifactStore('a:', async () => ({}) as never), /not a URI scheme/],
    ['is no function', () => registerTransport('mine', 5 as never), /is a function, not number/],
    ['is null', () => registerArtifactStore('mine', null as never), /is a function, not null/],
    ['is a flavor without a name', () => registerFlavor({} as never), /has a name/],
    ['is a flavor that cannot load', () => registerFlavor({ name: 'mine' } as never), /accepts of the flavor "mine"/],
  ])('%s', (_, register, message) => {
    expect(register).toThrow(message)
  })
})
