import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { PATIENT_MS, serverIds } from '../../src/spool/ids.js'
import { dropRunDir, newRunDir, rememberId, serverPlace, serverRunId } from '../../src/spool/place.js'
import { tempDir } from '../support/temp-dir.js'

const place = () => serverPlace(join(tempDir(), 'spool'), 'http://127.0.0.1:1')

it('an id that the server gave is looked up on disk once, however many runs wait', () => {
  const here = place()
  const ids = serverIds(here)
  newRunDir(here, { runId: 'theirs', local: false })
  expect(ids.of('theirs')).toBe('theirs')
  rmSync(here.spoolDir, { recursive: true })
  // That would now say something else of it.
  newRunDir(here, { runId: 'theirs', local: true })
  expect(ids.of('theirs')).toBe('theirs')
})

it('a run that is not made yet has none until this thread or another makes it', () => {
  const here = place()
  const [ids, others] = [serverIds(here, 60_000), serverIds(here)]
  const dir = newRunDir(here, { runId: 'ours', local: true })
  expect([ids.of('ours'), others.of('ours')]).toEqual([undefined, undefined])
  rememberId(here, 'ours', 'theirs')
  dropRunDir(dir)
  ids.learn('ours', 'theirs')
  expect(ids.of('ours')).toBe('theirs')
  expect(others.of('ours')).toBe('theirs')
})

it('a run that is being made here is not looked for again and again by those that have to wait for it', () => {
  const here = place()
  const ids = serverIds(here)
  newRunDir(here, { runId: 'ours', local: true })
  ids.making('ours')
  const until = performance.now() + PATIENT_MS
  expect(ids.of('ours')).toBe(undefined)
  rmSync(here.spoolDir, { recursive: true })
  const found = ids.of('ours')
  // A machine that stands still for so long looks again.
  if (performance.now() < until) expect(found).toBe(undefined)
  ids.learn('ours', 'theirs')
  expect(ids.of('ours')).toBe('theirs')
})

it('a run that is made and done with while it is looked up has the id that it got', () => {
  const here = place()
  const made = newRunDir(here, { runId: 'ours', local: true })
  let looks = 0
  const meanwhile = {
    ...here,
    get dir() {
      if (++looks === 2) {
        rememberId(here, 'ours', 'theirs')
        dropRunDir(made)
      }
      return here.dir
    },
  }
  expect(serverRunId(meanwhile, 'ours')).toBe('theirs')
  expect(looks).toBeGreaterThan(1)
})
